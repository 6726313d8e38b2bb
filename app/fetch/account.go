package fetch

import (
	"errors"
	"fmt"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/delivery"
)

// manyExtents is how many extents wait at most before they are acknowledged, however few their bytes are.
const manyExtents = transfer.MaxAckExtents / 4

// voucher is a receipt on its way to the cache.
type voucher struct {
	ack    transfer.Acknowledgement
	bytes  uint64 // that it adds
	unsure uint32 // vouchers before it
	stored bool   // it is signed, and in the book
	sent   bool   // the cache may have it
}

// account is what a session has with one cache. A receipt is made only when the cache confirmed the one before, except
// at the end of a fetch. All receipts of an epoch are made from one tally that only grows, and epochs never go back: so
// no two contradict each other.
type account struct {
	session *session
	node    remora.Address
	granted uint64 // bytes
	proof   *remora.BLSSignature

	last  remora.Receipt  // zero before the first
	tally *delivery.Tally // of last
	past  uint64          // bytes in receipts of epochs before that of last
	epoch remora.Epoch    // the highest that the cache named
	owed  []remora.Extent // verified and in no receipt yet
	bytes uint64          // of owed
	queue []*voucher      // not known to be confirmed, oldest first
	busy  bool            // the first of the queue is on its way
	credit

	refused bool // it does not deliver in this session any more
	closed  bool // nor does it take receipts
}

// replay takes an entry of the book.
func (a *account) replay(e *bookEntry) error {
	r := &e.Ack.Receipt.Receipt
	if r.Epoch < a.last.Epoch {
		return fmt.Errorf("%w: a receipt of epoch %d after one of %d", remora.ErrCorrupt, r.Epoch, a.last.Epoch)
	}
	a.turn(r.Epoch)
	before := a.tally.Bytes()
	if err := a.tally.Replace(e.Ack.Kept, e.Ack.Extents); err != nil {
		return fmt.Errorf("%w: %w", remora.ErrCorrupt, err)
	}
	if *r != a.receipt(r.Epoch) {
		return fmt.Errorf("%w: a receipt that is not that of its extents", remora.ErrCorrupt)
	}
	a.last, a.epoch = *r, r.Epoch
	unsure := min(int(e.Unsure), len(a.queue))
	for _, v := range a.queue[:len(a.queue)-unsure] {
		a.confirm(v.bytes)
	}
	v := &voucher{ack: e.Ack, bytes: a.tally.Bytes() - before, unsure: e.Unsure, stored: true, sent: true}
	a.queue = append(slices.Clone(a.queue[len(a.queue)-unsure:]), v)
	a.open += v.bytes
	return nil
}

// turn begins the tally of a new epoch.
func (a *account) turn(e remora.Epoch) {
	if e > a.last.Epoch {
		a.past += a.tally.Bytes()
		a.tally = new(delivery.Tally)
		a.last = remora.Receipt{Epoch: e}
	}
}

// receipt returns the receipt for the tally as it stands.
func (a *account) receipt(e remora.Epoch) remora.Receipt {
	return remora.Receipt{
		Session: a.session.id, Node: a.node, Epoch: e,
		Bytes: a.tally.Bytes(), Extents: a.tally.Len(), Root: a.tally.Root(),
	}
}

// heard takes note of the epoch of an answer.
func (a *account) heard(e remora.Epoch) { a.epoch = max(a.epoch, e) }

// received takes note of verified bytes.
func (a *account) received(c remora.Content, offset, n uint64) {
	if n == 0 {
		return
	}
	a.bytes += n
	if last := len(a.owed) - 1; last >= 0 && a.owed[last].Content == c && a.owed[last].Start()+a.owed[last].Bytes == offset {
		a.owed[last].Bytes += n
		return
	}
	a.owed = append(a.owed, remora.Extent{Content: c, First: offset / chunkSize, Bytes: n})
}

// left returns how many bytes of the grant are neither in a receipt nor open.
func (a *account) left() uint64 {
	used := a.past + a.tally.Bytes() + a.open
	for _, v := range a.queue {
		used -= v.bytes
	}
	return a.granted - min(a.granted, used)
}

// room reports whether receipts can take another extent.
func (a *account) room() bool { return int(a.tally.Len())+len(a.owed) < remora.MaxExtents }

// due reports whether a receipt is to go with the next request.
func (a *account) due() bool {
	return len(a.queue) > 0 || a.bytes > 0 && (a.bytes >= a.window(a.acked)/shares || len(a.owed) >= manyExtents)
}

// rider returns the receipt that is to go with a request for n bytes: where one is due, and where the request depends on
// it. It is nil otherwise, and while another one is on its way.
func (a *account) rider(n uint64) (*voucher, error) {
	if a.busy || !a.due() && !a.careful && a.admits(n, 0) {
		return nil, nil
	}
	return a.next()
}

// owes reports whether there is anything to acknowledge.
func (a *account) owes() bool { return len(a.queue) > 0 || len(a.owed) > 0 }

// next returns the receipt to be sent next: one of which nobody knows whether the cache has it, or a new one over what is
// owed. It is nil where nothing is.
func (a *account) next() (*voucher, error) {
	if len(a.queue) == 0 && len(a.owed) > 0 {
		if err := a.draw(); err != nil {
			return nil, err
		}
	}
	if len(a.queue) == 0 {
		return nil, nil
	}
	return a.queue[0], nil
}

// draw makes a voucher for what is owed and puts it at the end of the queue. Signing it is left to who sends it.
func (a *account) draw() error {
	a.turn(a.payable())
	v := &voucher{unsure: uint32(len(a.queue))}
	kept, taken := a.tally.Len(), 0
	for taken < len(a.owed) && int(a.tally.Len()-kept) < transfer.MaxAckExtents-1 {
		if err := a.tally.Add(a.owed[taken]); errors.Is(err, delivery.ErrFull) && taken > 0 {
			break
		} else if err != nil {
			return err
		}
		if taken == 0 && a.tally.Len() == kept {
			kept-- // the last extent is longer now
		}
		v.bytes += a.owed[taken].Bytes
		taken++
	}
	a.owed = slices.Clone(a.owed[taken:])
	a.bytes -= v.bytes
	a.last = a.receipt(a.last.Epoch)
	v.ack.Receipt.Receipt = a.last
	v.ack.Kept, v.ack.Extents = kept, slices.Clone(a.tally.Extents()[kept:])
	a.queue = append(a.queue, v)
	return nil
}

// payable returns the epoch in which a receipt is to be made now.
func (a *account) payable() remora.Epoch {
	return max(a.last.Epoch, min(a.epoch, a.session.head.Expiry))
}

// settle takes a cache's answer to the first voucher of the queue. again says that the cache may have had it before. It
// reports whether the cache goes on with this session.
func (a *account) settle(v *voucher, head transfer.DeliveryHead, again bool) bool {
	a.heard(head.Epoch)
	switch head.Code {
	case transfer.Delivered, transfer.NotHeld, transfer.WindowClosed, transfer.AllotmentSpent:
		a.confirmed()
	case transfer.ReceiptStale:
		return a.stale(v.ack.Receipt.Receipt.Epoch)
	case transfer.ReceiptWrong:
		if !again {
			a.refused, a.closed = true, true
			return false
		}
		a.confirmed() // it has this one and takes none twice; if not so, the next one tells
	case transfer.SessionUnusable, transfer.ProofWrong: // it did not come to look at it
	}
	return true
}

func (a *account) confirmed() {
	a.confirm(a.queue[0].bytes)
	a.queue = a.queue[1:]
}

// stale gives up the receipts of an epoch that the cache has claimed for. Their bytes are in no later receipt.
func (a *account) stale(e remora.Epoch) bool {
	for len(a.queue) > 0 && a.queue[0].ack.Receipt.Receipt.Epoch == e {
		a.open -= a.queue[0].bytes
		a.queue = a.queue[1:]
	}
	if a.last.Epoch == e && a.payable() <= e {
		a.refused, a.closed = true, true // in this epoch there is nothing left to be signed
		return false
	}
	return true
}
