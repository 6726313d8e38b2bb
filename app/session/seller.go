package session

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/delivery"
)

// Storage is a cache's disk: the receipts of its sessions and the content that it sells.
type Storage interface {
	// Receipt returns a session's newest receipt in an epoch, the zero one where there is none.
	Receipt(id remora.SessionID, e remora.Epoch) (remora.SignedReceipt, error)
	// Extents returns the extents of that receipt in order.
	Extents(id remora.SessionID, e remora.Epoch) ([]remora.Extent, error)
	// Keep makes a receipt the newest of its session and epoch, ack.Extents its extents from ack.Kept on, and t the
	// session's totals, all or nothing. They are durable on return.
	Keep(ack *Acknowledgement, t *Totals) error
	// Holds reports whether the cache has all of a content.
	Holds(c remora.Content) bool
}

// Request is a delivery request with what the cache knows of it.
type Request struct {
	ID      remora.SessionID // that the request names
	Pass    remora.Hash
	Proof   remora.BLSSignature // of the pass
	Content remora.Content
	Bytes   uint64 // of the content; 0: nothing is asked for, only acknowledged
	Acks    []Acknowledgement

	Deal  Deal         // zero where the chain has no such session
	Epoch remora.Epoch // the present one
	Open  remora.Epoch // the first epoch that takes receipts
	// Verify checks a signature of the session's key.
	Verify func(message remora.Hash, signature remora.BLSSignature) error
}

// CheckSession refuses a request of a session that this cache cannot serve. A last receipt is welcome after the session
// has expired, as long as its epoch is open.
func (r *Request) CheckSession() error {
	switch d := &r.Deal; {
	case d.Session == 0:
		return Refuse(SessionUnusable, "session %d is not on the chain at this cache's newest block: open it, then wait for the block", r.ID)
	case d.Scheme != remora.SchemeBLS:
		return Refuse(SessionUnusable, "session %d has receipts of scheme %d, this cache takes %d (BLS)", r.ID, d.Scheme, remora.SchemeBLS)
	case d.Granted == 0:
		return Refuse(SessionUnusable, "session %d allots nothing to this cache: ask one that it names", r.ID)
	case len(r.Acks) == 0:
		return r.checkExpiry()
	}
	return nil
}

func (r *Request) checkExpiry() error {
	if r.Epoch <= r.Deal.Expiry {
		return nil
	}
	return Refuse(SessionUnusable, "session %d expired with epoch %d, it is epoch %d: open another one", r.ID, r.Deal.Expiry, r.Epoch)
}

// CheckPass refuses a pass that the session's key did not sign.
func (r *Request) CheckPass() error {
	if err := r.Verify(r.Deal.PassMessage(r.Pass), r.Proof); err != nil {
		return Refuse(ProofWrong, "proof of the pass: %v: sign it with the key of session %d, for this chain and cache", err, r.ID)
	}
	return nil
}

// checkReceipt refuses a receipt that names another session, node or time than this request's.
func (r *Request) checkReceipt(receipt *remora.Receipt) error {
	switch d := &r.Deal; {
	case receipt.Session != d.Session || receipt.Node != d.Node:
		return Refuse(ReceiptWrong, "a receipt of session %d for node %s, want session %d and node %s", receipt.Session, receipt.Node, d.Session, d.Node)
	case receipt.Epoch > r.Epoch || receipt.Epoch > d.Expiry:
		return Refuse(ReceiptWrong, "a receipt of epoch %d, it is epoch %d and the session expires with %d", receipt.Epoch, r.Epoch, d.Expiry)
	}
	return nil
}

// Seller keeps a cache's books of one session. Its methods are called one at a time.
type Seller struct {
	storage Storage
	totals  Totals
	unsaved bool // the storage has older totals
	book    *book
}

// book is the newest receipt of an epoch.
type book struct {
	epoch  remora.Epoch
	signed remora.SignedReceipt // of no bytes: none yet
	tally  *delivery.Tally      // nil until it is needed
}

// NewSeller returns the books with the totals kept last, zero for a new session.
func NewSeller(s Storage, t Totals) *Seller { return &Seller{storage: s, totals: t} }

// Totals returns the present totals.
func (s *Seller) Totals() Totals { return s.totals }

// Unsaved reports whether the storage has older totals than the present ones.
func (s *Seller) Unsaved() bool { return s.unsaved }

// MarkSaved notes that the storage has the present totals.
func (s *Seller) MarkSaved() { s.unsaved = false }

// Extents returns the number of extents that the books hold in memory.
func (s *Seller) Extents() uint32 {
	if s.book == nil || s.book.tally == nil {
		return 0
	}
	return s.book.tally.Len()
}

// DropExtents frees the extents in memory. They are read again with the next receipt.
func (s *Seller) DropExtents() { s.book = nil }

// Admit takes the request's receipt, then counts its range as outstanding, or refuses it. A refusal for another reason
// than the receipt leaves the receipt taken.
func (s *Seller) Admit(r *Request) error {
	for i := range r.Acks {
		if err := s.takeReceipt(r, &r.Acks[i]); err != nil {
			return err
		}
	}
	if s.totals.beginPass(r.Pass) {
		s.unsaved = true
	}
	if r.Bytes == 0 {
		return nil
	}
	if err := s.checkRange(r); err != nil {
		return err
	}
	s.totals.Outstanding += r.Bytes
	s.unsaved = true
	return nil
}

// checkRange refuses a range that cannot be delivered now.
func (s *Seller) checkRange(r *Request) error {
	if err := r.checkExpiry(); err != nil {
		return err
	}
	used := s.totals.Acked + s.totals.Outstanding // neither passes 2^48 by more than a window
	switch window := Window(s.totals.Acked, s.totals.Lost); {
	case !s.storage.Holds(r.Content):
		return Refuse(NotHeld, "this cache does not hold content %s of %d bytes", r.Content.Root, r.Content.Length)
	case r.Bytes > r.Deal.leftAfter(used):
		return Refuse(AllotmentSpent, "session %d allots %d bytes to this cache, %d are delivered: open another one", r.ID, r.Deal.Granted, used)
	case s.totals.Outstanding+r.Bytes > window:
		return Refuse(WindowClosed, "%d bytes may be delivered ahead of receipts, %d are: acknowledge them first", window, s.totals.Outstanding)
	}
	return nil
}

// TakeBack undoes the accounting of an admitted range that was not delivered. It undoes at most what is outstanding.
func (s *Seller) TakeBack(n uint64) {
	s.totals.Outstanding -= min(n, s.totals.Outstanding)
	s.unsaved = true
}

// takeReceipt takes a receipt: it is durable when this returns nil. One that was sent again, because the answer to it was
// lost, is taken without effect.
func (s *Seller) takeReceipt(r *Request, ack *Acknowledgement) error {
	receipt := &ack.Receipt.Receipt
	if err := r.checkReceipt(receipt); err != nil {
		return err
	}
	b, err := s.openBook(r.ID, receipt.Epoch)
	if err != nil {
		return err
	}
	known := b.signed.Receipt.Bytes
	if receipt.Bytes <= known {
		return nil
	}
	if more := receipt.Bytes - known; more > r.Deal.leftAfter(s.totals.Acked) {
		return Refuse(ReceiptWrong, "a receipt adds %d bytes, of %d granted %d are acknowledged already", more, r.Deal.Granted, s.totals.Acked)
	}
	if err := r.Verify(r.Deal.ReceiptMessage(receipt), ack.Receipt.Signature); err != nil {
		return Refuse(ReceiptWrong, "receipt: %v: sign it with the key of session %d, for this chain and scheme %d", err, r.ID, r.Deal.Scheme)
	}
	if receipt.Epoch < r.Open || receipt.Epoch+remora.ClaimEpochs <= r.Epoch {
		if s.totals.forgiveEpoch(receipt.Epoch) {
			s.unsaved = true
		}
		return Refuse(ReceiptStale, "epoch %d takes no more receipts, its claim is planned: acknowledge in epoch %d", receipt.Epoch, r.Epoch)
	}
	for i := range ack.Extents {
		if c := ack.Extents[i].Content; !s.storage.Holds(c) {
			return Refuse(ReceiptWrong, "a receipt for content %s of %d bytes, which this cache does not hold and so could not claim", c.Root, c.Length)
		}
	}
	return s.keepReceipt(b, ack)
}

// keepReceipt checks that a receipt follows from the book with the extents that came with it, and makes it durable.
func (s *Seller) keepReceipt(b *book, ack *Acknowledgement) error {
	r := &ack.Receipt.Receipt
	known := b.signed.Receipt.Bytes
	if err := s.loadTally(b, r.Session); err != nil {
		return err
	}
	if err := ack.extendTally(b.tally); err != nil {
		if b.tally.Bytes() != known {
			s.book = nil // the tally matches no receipt
		}
		return Refuse(ReceiptWrong, "receipt: %v", err)
	}
	after := s.totals.acknowledge(r.Bytes - known)
	if err := s.storage.Keep(ack, &after); err != nil {
		s.book = nil
		return err
	}
	s.totals, s.unsaved, b.signed = after, false, ack.Receipt
	return nil
}

// openBook returns the book of an epoch, from the storage where it is not in memory.
func (s *Seller) openBook(id remora.SessionID, e remora.Epoch) (*book, error) {
	if s.book != nil && s.book.epoch == e {
		return s.book, nil
	}
	signed, err := s.storage.Receipt(id, e)
	if err != nil {
		return nil, err
	}
	s.book = &book{epoch: e, signed: signed}
	return s.book, nil
}

// loadTally reads the extents of the book's receipt, if they are not in memory.
func (s *Seller) loadTally(b *book, id remora.SessionID) error {
	if b.tally != nil {
		return nil
	}
	extents, err := s.storage.Extents(id, b.epoch)
	if err != nil {
		return err
	}
	t, err := delivery.NewTally(extents)
	if err != nil {
		return err
	}
	if err := matchTally(&b.signed.Receipt, t); err != nil {
		return fmt.Errorf("%w: stored receipt of session %d in epoch %d: %w", remora.ErrCorrupt, id, b.epoch, err)
	}
	b.tally = t
	return nil
}
