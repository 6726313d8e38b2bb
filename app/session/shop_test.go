package session

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/remora-network/remora"
)

// disk is the seller's storage: what was written, and how much of it a kill leaves.
type disk struct {
	rows
	synced rows
	lazy   bool // the next write is not synced: for a broken variant
}

type rows struct {
	receipts map[remora.Epoch]remora.SignedReceipt
	extents  map[remora.Epoch][]remora.Extent
	totals   Totals
}

func (r rows) clone() rows { return rows{maps.Clone(r.receipts), maps.Clone(r.extents), r.totals} }

func (d *disk) Receipt(_ remora.SessionID, e remora.Epoch) (remora.SignedReceipt, error) {
	return d.receipts[e], nil
}

func (d *disk) Extents(_ remora.SessionID, e remora.Epoch) ([]remora.Extent, error) {
	return slices.Clone(d.extents[e]), nil
}

func (d *disk) Keep(ack *Acknowledgement, t *Totals) error {
	e := ack.Receipt.Receipt.Epoch
	d.receipts[e], d.totals = ack.Receipt, *t
	d.extents[e] = append(slices.Clone(d.extents[e][:ack.Kept]), ack.Extents...)
	if !d.lazy {
		d.synced = d.clone()
	}
	return nil
}

func (d *disk) Holds(remora.Content) bool { return true }

func (d *disk) acked() (sum uint64) {
	for _, r := range d.receipts {
		sum += r.Receipt.Bytes
	}
	return sum
}

// sign stands for the session's key.
func sign(message remora.Hash) (s remora.BLSSignature) {
	copy(s[:], message[:])
	return s
}

func verify(message remora.Hash, s remora.BLSSignature) error {
	if s != sign(message) {
		return errors.New("signed wrong")
	}
	return nil
}

// serve is the seller's shell.
func (p *pair) serve(r Request) (Code, remora.Epoch, error) {
	r.Epoch, r.Open, r.Verify = p.epoch, p.open, verify
	if !p.happens("behind", p.fate.behind) {
		r.Deal = p.deal
	}
	err := r.CheckSession()
	if err == nil {
		err = r.CheckPass()
	}
	if err == nil {
		err = p.admit(&r)
	}
	code := Delivered
	var no *Refusal
	if errors.As(err, &no) {
		code, err = no.Code, nil
	}
	if p.happens("seller killed", p.fate.sellerKilled) {
		p.restartSeller()
	}
	return code, p.epoch, err
}

// admit has the seller admit a request, and holds what it does against the model.
func (p *pair) admit(r *Request) error {
	acked, before := p.disk.acked(), p.seller.Totals()
	p.disk.lazy = p.broken.syncsLater
	err := p.seller.Admit(r)
	p.broken.admitted(p.seller, r, before)
	t, more := p.seller.Totals(), p.disk.acked()-acked
	if t.Acked != p.disk.acked() {
		return fmt.Errorf("%d bytes count as acknowledged, the receipts have %d", t.Acked, p.disk.acked())
	}
	p.model.free -= min(p.model.free, more)
	p.model.unpaid -= min(p.model.unpaid, more+t.Forgiven-before.Forgiven)
	if t.Forgiven > FirstWindow+t.Acked/8 {
		return fmt.Errorf("%d bytes are forgiven, %d were paid", t.Forgiven, t.Acked)
	}
	var no *Refusal
	if errors.As(err, &no) && (no.Code == ReceiptStale || no.Code == ReceiptWrong) {
		return err
	}
	if !slices.Contains(p.model.passes, r.Pass) {
		p.model.passes = append(p.model.passes, r.Pass)
		p.model.passes = p.model.passes[max(0, len(p.model.passes)-maxPasses):]
		p.model.unpaid = 0
	}
	if more > 0 {
		p.model.saved = [2]uint64{p.model.free, p.model.unpaid}
	}
	if err != nil || r.Bytes == 0 {
		return err
	}
	p.model.free += r.Bytes
	p.model.unpaid += r.Bytes
	trust := t.Acked + FirstWindow
	if limit := min(MaxWindow, trust); p.model.unpaid > limit {
		return fmt.Errorf("%d bytes are unpaid, the window is at most %d", p.model.unpaid, limit)
	}
	if limit := min(trust, trust/8+MaxWindow) + t.Forgiven; p.model.seen["seller killed"] == 0 && p.model.free > limit {
		return fmt.Errorf("%d bytes were delivered for nothing, at most %d may be", p.model.free, limit)
	}
	if p.happens("gone", p.fate.behind) {
		p.seller.TakeBack(r.Bytes)
		p.model.free -= r.Bytes
		p.model.unpaid -= r.Bytes
		return Refuse(NotHeld, "gone")
	}
	return nil
}

// restartSeller kills the seller, or ends it in order: then the storage has the present totals.
func (p *pair) restartSeller() {
	if p.seller.Unsaved() && p.rng.IntN(2) == 0 {
		p.disk.totals = p.seller.Totals()
		p.disk.synced = p.disk.clone()
		p.model.saved = [2]uint64{p.model.free, p.model.unpaid}
	}
	p.disk.rows = p.disk.synced.clone()
	p.seller = NewSeller(p.disk, p.disk.totals)
	p.model.free, p.model.unpaid = p.model.saved[0], p.model.saved[1]
}
