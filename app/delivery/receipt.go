package delivery

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	proof "github.com/remora-network/remora/proofs/delivery"
)

// acknowledge takes a receipt: it is durable when this returns nil. The caller holds the account.
func (s *Service) acknowledge(o *order, a *account, ack *transfer.Acknowledgement) error {
	r := &ack.Receipt.Receipt
	if err := s.fits(o, r); err != nil {
		return err
	}
	s.closing.RLock()
	defer s.closing.RUnlock()
	b, err := s.bookOf(a, r.Epoch)
	if err != nil {
		return err
	}
	if r.Bytes <= b.bytes() {
		return nil // sent again: the answer to it was lost
	}
	more := r.Bytes - b.bytes()
	if a.t.Acked > o.grant.Granted || more > o.grant.Granted-a.t.Acked {
		return refuse(transfer.ReceiptWrong, "a receipt for %d bytes more, of %d granted %d are acknowledged", more, o.grant.Granted, a.t.Acked)
	}
	if err := s.verify(o, r.Message(s.c.ChainID, o.session.Scheme), ack.Receipt.Signature); err != nil {
		return refuse(transfer.ReceiptWrong, "receipt: %v: sign it with the key of session %d, for this chain and scheme %d", err, o.Session, o.session.Scheme)
	}
	if r.Epoch < s.open || r.Epoch+remora.ClaimEpochs <= o.epoch {
		if a.t.forgive(r.Epoch) {
			a.dirty = true
		}
		return refuse(transfer.ReceiptStale, "epoch %d is claimed for already: acknowledge in epoch %d", r.Epoch, o.epoch)
	}
	for i := range ack.Extents {
		if c := ack.Extents[i].Content; !s.holds(c) {
			return refuse(transfer.ReceiptWrong, "a receipt for content %s of %d bytes, which is not here: it could not be claimed", c.Root, c.Length)
		}
	}
	return s.extend(a, b, ack)
}

// fits checks what a receipt says besides its extents.
func (s *Service) fits(o *order, r *remora.Receipt) error {
	switch {
	case r.Session != o.Session || r.Node != s.c.Self:
		return refuse(transfer.ReceiptWrong, "a receipt of session %d for node %s, want session %d and node %s", r.Session, r.Node, o.Session, s.c.Self)
	case r.Epoch > o.epoch || r.Epoch > o.session.Expiry:
		return refuse(transfer.ReceiptWrong, "a receipt of epoch %d, it is epoch %d and the session expires with %d", r.Epoch, o.epoch, o.session.Expiry)
	}
	return nil
}

// extend checks that a receipt follows from the book with the extents that came with it, and makes it durable.
func (s *Service) extend(a *account, b *book, ack *transfer.Acknowledgement) error {
	r := &ack.Receipt.Receipt
	if err := s.readTally(a, b); err != nil {
		return err
	}
	err := b.tally.Replace(ack.Kept, ack.Extents)
	if err == nil && (b.tally.Bytes() != r.Bytes || b.tally.Len() != r.Extents || b.tally.Root() != r.Root) {
		err = fmt.Errorf("its extents are %d of %d bytes with root %s, it says %d of %d with %s",
			b.tally.Len(), b.tally.Bytes(), b.tally.Root(), r.Extents, r.Bytes, r.Root)
		a.book = nil // the tally is that of no receipt
	}
	s.accounts.weigh(a)
	if err != nil {
		return refuse(transfer.ReceiptWrong, "receipt: %v", err)
	}
	after := a.t.acknowledged(r.Bytes - b.bytes())
	puts := map[string][]byte{
		string(sessionKey(rowReceipt, r.Epoch, r.Session)): remora.Encode(ack.Receipt),
		string(accountKey(r.Session)):                      remora.Encode(after),
	}
	for i := range ack.Extents {
		puts[string(extentKey(r.Epoch, r.Session, ack.Kept+uint32(i)))] = remora.Encode(ack.Extents[i])
	}
	s.kept.note(r.Epoch, ack.Extents)
	if err := s.write(puts, nil); err != nil {
		a.book = nil
		s.accounts.weigh(a)
		return err
	}
	s.counts.acked.Add(r.Bytes - b.bytes())
	a.t, a.dirty, b.signed = after, false, ack.Receipt
	return nil
}

// bookOf returns an account's book of an epoch, from the journal where it is not in memory. The caller holds the account.
func (s *Service) bookOf(a *account, e remora.Epoch) (*book, error) {
	if a.book != nil && a.book.epoch == e {
		return a.book, nil
	}
	b := &book{epoch: e}
	value, err := s.c.Journal.Get(sessionKey(rowReceipt, e, a.session))
	if err != nil {
		return nil, err
	}
	if value != nil {
		if b.signed, err = decodeReceipt(value); err != nil {
			return nil, err
		}
	}
	a.book = b
	s.accounts.weigh(a)
	return b, nil
}

// readTally reads the extents of the book's receipt, if they are not in memory.
func (s *Service) readTally(a *account, b *book) error {
	if b.tally != nil {
		return nil
	}
	extents, err := s.extents(b.epoch, a.session)
	if err != nil {
		return err
	}
	t, err := proof.NewTally(extents)
	if err != nil {
		return err
	}
	if r := &b.signed.Receipt; t.Bytes() != r.Bytes || t.Len() != r.Extents || t.Root() != r.Root {
		return fmt.Errorf("journal of receipts: %w: the extents of session %d in epoch %d are not those of its receipt", remora.ErrCorrupt, a.session, b.epoch)
	}
	b.tally = t
	return nil
}

// extents reads the extents of a session's receipt from the journal.
func (s *Service) extents(e remora.Epoch, id remora.SessionID) ([]remora.Extent, error) {
	var list []remora.Extent
	var bad error
	err := s.c.Journal.Ascend(sessionKey(rowExtent, e, id), func(_, value []byte) bool {
		var x remora.Extent
		if x, bad = decodeExtent(value); bad == nil {
			list = append(list, x)
		}
		return bad == nil
	})
	return list, errors.Join(err, bad)
}
