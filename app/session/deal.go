package session

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/delivery"
)

const (
	// FirstWindow is the number of bytes that a cache delivers ahead of a new client's receipts.
	FirstWindow = 1 << 20
	// MaxWindow is the most bytes that a cache delivers ahead of receipts.
	MaxWindow = 16 << 20
	// MaxAckExtents bounds the extents that one acknowledgement adds.
	MaxAckExtents = 4096
)

// Window returns the bytes that may be delivered ahead of receipts after receipts for acked bytes, if lost bytes were
// never acknowledged. Trust grows with what is paid, and shrinks eight times as fast with what is not.
func Window(acked, lost uint64) uint64 {
	trust := acked + FirstWindow
	if lost > trust/8 {
		return 0
	}
	return min(trust-8*lost, MaxWindow)
}

// Deal is a session between its client and one of the caches that it allots bytes to, as recorded on the chain.
type Deal struct {
	Domain  remora.Domain
	Session remora.SessionID
	Node    remora.Address
	Scheme  remora.Scheme
	Granted uint64       // bytes
	Expiry  remora.Epoch // the last epoch whose receipts count
}

// PassMessage returns the message that the session's key signs to prove a pass.
func (d *Deal) PassMessage(pass remora.Hash) remora.Hash {
	return remora.DeliveryMessage(d.Domain, d.Session, d.Node, pass)
}

// ReceiptMessage returns the message that the session's key signs for a receipt.
func (d *Deal) ReceiptMessage(r *remora.Receipt) remora.Hash { return r.Message(d.Domain, d.Scheme) }

// leftAfter returns the granted bytes that are left after used ones.
func (d *Deal) leftAfter(used uint64) uint64 { return d.Granted - min(d.Granted, used) }

// receiptFor returns the receipt of an epoch for a tally.
func (d *Deal) receiptFor(e remora.Epoch, t *delivery.Tally) remora.Receipt {
	return remora.Receipt{Session: d.Session, Node: d.Node, Epoch: e, Bytes: t.Bytes(), Extents: t.Len(), Root: t.Root()}
}

// Acknowledgement is a receipt with the extents by which it goes beyond what the cache has of the same session and epoch.
type Acknowledgement struct {
	_       struct{} `cbor:",toarray"`
	Receipt remora.SignedReceipt
	Kept    uint32          // the leading extents that stay; the cache has this many, or one more
	Extents []remora.Extent // those that follow; where the cache has one more, the first is a longer form of it
}

// Check reports an acknowledgement that adds no extent, too many, or one that is not inside its content.
func (a *Acknowledgement) Check() error {
	if len(a.Extents) == 0 || len(a.Extents) > MaxAckExtents {
		return fmt.Errorf("%w: an acknowledgement of %d extents, want 1 to %d", remora.ErrInvalid, len(a.Extents), MaxAckExtents)
	}
	for i := range a.Extents {
		if err := a.Extents[i].Check(); err != nil {
			return err
		}
	}
	return nil
}

// extendTally turns the tally of the previous receipt into that of this one. If the extents do not follow from it, it
// is unchanged; if the outcome does not match this receipt, it must be discarded.
func (a *Acknowledgement) extendTally(t *delivery.Tally) error {
	if err := t.Replace(a.Kept, a.Extents); err != nil {
		return err
	}
	return matchTally(&a.Receipt.Receipt, t)
}

// matchTally returns an error unless a receipt matches a tally.
func matchTally(r *remora.Receipt, t *delivery.Tally) error {
	if t.Bytes() != r.Bytes || t.Len() != r.Extents || t.Root() != r.Root {
		return fmt.Errorf("its extents are %d of %d bytes with root %s, it says %d of %d with %s",
			t.Len(), t.Bytes(), t.Root(), r.Extents, r.Bytes, r.Root)
	}
	return nil
}
