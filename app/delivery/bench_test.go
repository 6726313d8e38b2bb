package delivery

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
)

// BenchmarkDeliver serves 4 MiB at a time, each with the receipt of the one before. The journal is in memory: a disk adds
// a sync.
func BenchmarkDeliver(b *testing.B) {
	w := newWorld(b)
	f := w.file(1, 4*mib, true)
	c := w.open(1 << 47)
	for range 6 {
		c.buy(f)
	}
	b.SetBytes(4 * mib)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		c.took(f, 0, 4*mib)
		r := c.request(f, 0, 4*mib)
		r.Acks = []session.Acknowledgement{c.ack()}
		encoded := remora.Encode(r)
		b.StartTimer()
		if answer, err := w.Deliver(b.Context(), "peer", encoded); err != nil || len(answer) < 4*mib {
			b.Fatal(len(answer), err)
		}
	}
}

// BenchmarkAcknowledge takes a receipt alone, after many others.
func BenchmarkAcknowledge(b *testing.B) {
	w := newWorld(b)
	f := w.file(1, 4*mib, true)
	c := w.open(1 << 47)
	for b.Loop() {
		b.StopTimer()
		if c.tally.Len() == remora.MaxExtents {
			w.chain.Pass(epochTime)
			c.turn()
		}
		c.took(f, 0, 1024)
		r := c.request(f, 0, 0)
		r.Acks = []session.Acknowledgement{c.ack()}
		encoded := remora.Encode(r)
		b.StartTimer()
		if _, err := w.Deliver(b.Context(), "peer", encoded); err != nil {
			b.Fatal(err)
		}
	}
}
