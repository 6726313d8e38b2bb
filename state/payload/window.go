package payload

import (
	"encoding/binary"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// window says which batches of one worker were accepted. It is what makes acceptance happen once: a batch that is sealed
// again keeps its number. The zero value of seen stands for a worker without accepted batches.
type window struct {
	seen    bool
	highest uint64
	missing [remora.AcceptWindow / 64]uint64 // bit i: number highest-1-i was not accepted
	changed bool
}

// windowRecord is the row of a window. Missing is big endian, without the zeros at its start.
type windowRecord struct {
	_       struct{} `cbor:",toarray"`
	Highest uint64
	Missing []byte
}

// isOpen reports whether a batch of this number can be accepted.
func (w *window) isOpen(seq uint64) bool {
	switch {
	case !w.seen || seq > w.highest:
		return true
	case seq == w.highest || w.highest-seq > remora.AcceptWindow:
		return false
	}
	i := w.highest - 1 - seq
	return w.missing[i/64]>>(i%64)&1 == 1
}

// accept marks a number for which isOpen is true.
func (w *window) accept(seq uint64) {
	w.changed = true
	switch {
	case !w.seen:
		w.seen, w.highest = true, seq
		w.fill(0, min(seq, remora.AcceptWindow))
	case seq > w.highest:
		d := seq - w.highest
		w.shift(d)
		w.fill(0, min(d-1, remora.AcceptWindow)) // between the two
		w.highest = seq
	default:
		i := w.highest - 1 - seq
		w.missing[i/64] &^= 1 << (i % 64)
	}
}

// shift moves every bit up by d.
func (w *window) shift(d uint64) {
	words, rest := d/64, d%64
	for i := len(w.missing) - 1; i >= 0; i-- {
		var v uint64
		if from := i - int(min(words, uint64(len(w.missing)))); from >= 0 {
			v = w.missing[from] << rest
			if rest > 0 && from > 0 {
				v |= w.missing[from-1] >> (64 - rest)
			}
		}
		w.missing[i] = v
	}
}

// fill sets the bits from i up to but not including end.
func (w *window) fill(i, end uint64) {
	for ; i < end; i++ {
		w.missing[i/64] |= 1 << (i % 64)
	}
}

func (w *window) save(o *table.Overlay, key []byte) {
	if !w.changed {
		return
	}
	r := windowRecord{Highest: w.highest}
	for i := len(w.missing) - 1; i >= 0; i-- {
		if len(r.Missing) > 0 || w.missing[i] != 0 {
			if r.Missing == nil {
				r.Missing = make([]byte, 0, 8*(i+1))
			}
			r.Missing = binary.BigEndian.AppendUint64(r.Missing, w.missing[i])
		}
	}
	for len(r.Missing) > 0 && r.Missing[0] == 0 {
		r.Missing = r.Missing[1:]
	}
	o.Put(table.Accepted, key, remora.Encode(r))
}

func loadWindow(v table.View, key []byte) (*window, error) {
	var r windowRecord
	exists, err := table.Load(v, table.Accepted, key, maxRecord, &r)
	if err != nil || !exists {
		return new(window), err
	}
	if len(r.Missing) > remora.AcceptWindow/8 {
		return nil, fmt.Errorf("%w: a window of accepted batches has %d bytes", remora.ErrCorrupt, len(r.Missing))
	}
	w := &window{seen: true, highest: r.Highest}
	for i, b := range r.Missing {
		at := uint64(len(r.Missing)-1-i) * 8
		w.missing[at/64] |= uint64(b) << (at % 64)
	}
	return w, nil
}

// NextSeq returns the number above a worker's highest accepted batch, 0 if none was accepted.
func NextSeq(v table.View, account remora.Address, worker remora.Worker) (uint64, error) {
	w, err := loadWindow(v, windowKey(account, worker))
	if err != nil || !w.seen {
		return 0, err
	}
	return w.highest + 1, nil
}

// windowKey returns the key of a worker's window.
func windowKey(account remora.Address, worker remora.Worker) []byte {
	key := append(make([]byte, 0, remora.AddressSize+2), account[:]...)
	return binary.BigEndian.AppendUint16(key, uint16(worker))
}
