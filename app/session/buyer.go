package session

import (
	"errors"
	"fmt"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
	"github.com/remora-network/remora/proofs/delivery"
)

// maxOwedExtents is the number of owed extents that makes a receipt due, however few bytes they have.
const maxOwedExtents = MaxAckExtents / 4

// Entry is a signed receipt as a buyer stores it, with the extents by which it goes beyond the entry before it for the
// same node and epoch.
type Entry struct {
	_      struct{} `cbor:",toarray"`
	Ack    Acknowledgement
	Unsure uint32 // number of entries for the node just before this one that the cache may lack
}

// Voucher is a receipt on its way to the cache.
type Voucher struct {
	Entry
	Stored bool // the entry is signed and durable: only then may it leave the process

	bytes uint64 // that it adds
	sent  bool   // the cache may have it
	again bool   // an earlier send may have arrived
}

// Ask is a request as it was sent.
type Ask struct {
	Voucher  *Voucher // nil: it carries no receipt
	bytes    uint64
	discount uint64 // of the credit
	alone    bool   // no other ask was under way
}

// Buyer keeps a client's books with one cache in one session. It makes a receipt only when the cache has confirmed the one
// before, except at the end of a fetch. All receipts of an epoch come from one tally that only grows, and epochs only
// ascend: so no two receipts contradict each other. Its methods are called one at a time.
type Buyer struct {
	Deal
	last  remora.Receipt  // zero before the first
	tally *delivery.Tally // of last
	past  uint64          // bytes in receipts of epochs before that of last
	epoch remora.Epoch    // the highest that the cache named
	owed  []remora.Extent // verified and in no receipt yet
	bytes uint64          // of owed
	queue []*Voucher      // unconfirmed, oldest first
	busy  bool            // the first of the queue is on its way
	credit
	closed bool // the cache takes no more receipts
}

// NewBuyer returns the books of a deal before the first receipt.
func NewBuyer(d Deal) *Buyer {
	return &Buyer{Deal: d, tally: new(delivery.Tally), credit: credit{careful: true}}
}

// Restore takes a stored entry. Entries come in the order in which they were stored.
func (b *Buyer) Restore(e *Entry) error {
	r := &e.Ack.Receipt.Receipt
	if r.Session != b.Session || r.Node != b.Node || r.Epoch < b.last.Epoch {
		return fmt.Errorf("%w: a receipt of session %d for %s of epoch %d, after one of session %d for %s of epoch %d",
			remora.ErrCorrupt, r.Session, r.Node, r.Epoch, b.Session, b.Node, b.last.Epoch)
	}
	b.beginEpoch(r.Epoch)
	before := b.tally.Bytes()
	if err := e.Ack.extendTally(b.tally); err != nil {
		return fmt.Errorf("%w: stored receipt: %w", remora.ErrCorrupt, err)
	}
	b.last, b.epoch = *r, r.Epoch
	unsure := min(int(e.Unsure), len(b.queue))
	for range len(b.queue) - unsure {
		b.confirmFirst()
	}
	v := &Voucher{Entry: *e, Stored: true, bytes: b.tally.Bytes() - before, sent: true}
	b.queue = append(slices.Clone(b.queue), v)
	b.open += v.bytes
	return nil
}

// beginEpoch begins the tally of an epoch, if it is a new one.
func (b *Buyer) beginEpoch(e remora.Epoch) {
	if e > b.last.Epoch {
		b.past += b.tally.Bytes()
		b.tally = new(delivery.Tally)
		b.last = remora.Receipt{Epoch: e}
	}
}

// AddVerified notes n verified bytes of a content. The offset begins a chunk or continues the bytes added last.
func (b *Buyer) AddVerified(c remora.Content, offset, n uint64) {
	if n == 0 {
		return
	}
	b.bytes += n
	if last := len(b.owed) - 1; last >= 0 && b.owed[last].Content == c && b.owed[last].Start()+b.owed[last].Bytes == offset {
		b.owed[last].Bytes += n
		return
	}
	b.owed = append(b.owed, remora.Extent{Content: c, First: offset / content.ChunkSize, Bytes: n})
}

// Left returns the bytes of the grant that are neither in a receipt nor asked for.
func (b *Buyer) Left() uint64 {
	used := b.past + b.tally.Bytes() + b.open
	for _, v := range b.queue {
		used -= v.bytes
	}
	return b.leftAfter(used)
}

// HasRoom reports whether receipts can take another extent.
func (b *Buyer) HasRoom() bool { return int(b.tally.Len())+len(b.owed) < remora.MaxExtents }

// Closed reports whether the cache takes no receipts of this session any more.
func (b *Buyer) Closed() bool { return b.closed }

// isDue reports whether a receipt is to go with the next request.
func (b *Buyer) isDue() bool {
	return len(b.queue) > 0 || b.bytes > 0 && (b.bytes >= b.windowAt(b.acked)/windowParts || len(b.owed) >= maxOwedExtents)
}

// PlanRequest returns the receipt to send with a request for n bytes, nil for none, and whether the window and the grant
// admit the bytes along with it. One receipt is on its way at a time. A delivery.ErrFull says that this epoch's receipt
// has no room for the bytes owed.
func (b *Buyer) PlanRequest(n uint64) (v *Voucher, admitted bool, err error) {
	receipt := uint64(0)
	if !b.busy && (b.isDue() || b.careful || !b.admitsBytes(n, 0)) {
		if v, err = b.NextVoucher(); err != nil {
			return nil, false, err
		}
		if v != nil {
			receipt = v.bytes
		}
	}
	return v, b.admitsBytes(n, receipt) && n <= b.Left(), nil
}

// NextVoucher returns the oldest unconfirmed receipt, else a new one for the bytes owed, else nil.
func (b *Buyer) NextVoucher() (*Voucher, error) {
	if len(b.queue) == 0 && len(b.owed) > 0 {
		if err := b.drawVoucher(); err != nil {
			return nil, err
		}
	}
	if len(b.queue) == 0 {
		return nil, nil
	}
	return b.queue[0], nil
}

// DrawAll makes receipts for all bytes owed, as far as there is room, and returns the unconfirmed ones: the shell stores
// them, a later fetch sends them.
func (b *Buyer) DrawAll() ([]*Voucher, error) {
	for len(b.owed) > 0 {
		if err := b.drawVoucher(); errors.Is(err, delivery.ErrFull) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	return b.queue, nil
}

// drawVoucher makes a voucher for what is owed and puts it at the end of the queue.
func (b *Buyer) drawVoucher() error {
	b.beginEpoch(b.payableEpoch())
	v := &Voucher{Entry: Entry{Unsure: uint32(len(b.queue))}}
	kept, taken := b.tally.Len(), 0
	for taken < len(b.owed) && int(b.tally.Len()-kept) < MaxAckExtents-1 {
		if err := b.tally.Add(b.owed[taken]); errors.Is(err, delivery.ErrFull) && taken > 0 {
			break
		} else if err != nil {
			return err
		}
		if taken == 0 && b.tally.Len() == kept {
			kept-- // the last extent is longer now
		}
		v.bytes += b.owed[taken].Bytes
		taken++
	}
	b.owed = slices.Clone(b.owed[taken:])
	b.bytes -= v.bytes
	b.last = b.receiptFor(b.last.Epoch, b.tally)
	v.Ack.Receipt.Receipt = b.last
	v.Ack.Kept, v.Ack.Extents = kept, slices.Clone(b.tally.Extents()[kept:])
	b.queue = append(b.queue, v)
	return nil
}

// payableEpoch returns the epoch of the next receipt.
func (b *Buyer) payableEpoch() remora.Epoch {
	return max(b.last.Epoch, min(b.epoch, b.Expiry))
}

// SendRequest notes that a request for n bytes goes out, with a voucher unless that is nil. TakeAnswer or LoseAnswer follows.
func (b *Buyer) SendRequest(n uint64, v *Voucher) Ask {
	b.open += n
	if v != nil {
		b.busy, v.again, v.sent = true, v.sent, true
	}
	return Ask{Voucher: v, bytes: n, discount: b.discount, alone: b.careful}
}

// LoseAnswer notes that no answer to a request will come. The cache may or may not have its receipt.
func (b *Buyer) LoseAnswer(a Ask) {
	b.open -= a.bytes
	b.busy = b.busy && a.Voucher == nil
}

// TakeAnswer takes the cache's answer to a request. Bytes that were delivered then go to AddVerified or CancelBytes. It
// reports whether the cache may answer better later.
func (b *Buyer) TakeAnswer(a Ask, code Code, epoch remora.Epoch) bool {
	b.epoch = max(b.epoch, epoch)
	if a.Voucher != nil {
		b.busy = false
		b.judgeVoucher(a.Voucher, code)
	}
	if code == Delivered {
		b.careful = b.careful && a.bytes == 0
		return true
	}
	b.open -= a.bytes
	return !b.closed && (code != WindowClosed || a.bytes == 0 || b.narrowWindow(a))
}

// judgeVoucher takes the answer to the first voucher of the queue.
func (b *Buyer) judgeVoucher(v *Voucher, code Code) {
	switch {
	case code.confirmsReceipt():
		b.confirmFirst()
	case code == ReceiptStale:
		b.giveUpEpoch(v.Ack.Receipt.Receipt.Epoch)
	case code == ReceiptWrong && v.again:
		b.confirmFirst() // an earlier send arrived; if not, the cache refuses the next one
	case code == ReceiptWrong:
		b.closed = true
	}
}

// narrowWindow asks for less after an ask for which the window was closed. It reports whether anything is left to try.
func (b *Buyer) narrowWindow(a Ask) bool {
	if a.alone && a.bytes <= content.PieceSize && len(b.queue) == 0 && len(b.owed) == 0 {
		return false
	}
	if a.discount == b.discount { // asks sent before the last halving prove nothing new
		b.discount += (b.windowAt(b.acked) + 1) / 2
		b.careful = true
	}
	return true
}

func (b *Buyer) confirmFirst() {
	b.confirmBytes(b.queue[0].bytes)
	b.queue = b.queue[1:]
}

// giveUpEpoch drops the receipts of an epoch that the cache has claimed for. Their bytes are in no later receipt.
func (b *Buyer) giveUpEpoch(e remora.Epoch) {
	for len(b.queue) > 0 && b.queue[0].Ack.Receipt.Receipt.Epoch == e {
		b.open -= b.queue[0].bytes
		b.queue = b.queue[1:]
	}
	b.closed = b.closed || b.last.Epoch == e && b.payableEpoch() <= e // nothing can be signed in this epoch any more
}
