package delivery

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
)

// BenchmarkDeliver serves ranges of 4 MiB, each with the receipt of the last. The journal is in memory: a disk adds a sync.
func BenchmarkDeliver(b *testing.B) {
	w := newWorld(b)
	f := w.addFile(1, 4*mib, true)
	c := w.openSession(1 << 47)
	for range 6 {
		c.buyContent(f)
	}
	b.SetBytes(4 * mib)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		c.noteDelivered(f, 0, 4*mib)
		r := c.request(f, 0, 4*mib)
		r.Acks = []session.Acknowledgement{c.nextAck()}
		encoded := remora.Encode(r)
		b.StartTimer()
		if answer, err := w.Deliver(b.Context(), "peer", encoded); err != nil || len(answer) < 4*mib {
			b.Fatal(len(answer), err)
		}
	}
}

// BenchmarkAcknowledge takes receipts without a range.
func BenchmarkAcknowledge(b *testing.B) {
	w := newWorld(b)
	f := w.addFile(1, 4*mib, true)
	c := w.openSession(1 << 47)
	for b.Loop() {
		b.StopTimer()
		if c.tally.Len() == remora.MaxExtents {
			w.chain.Pass(epochTime)
			c.turnEpoch()
		}
		c.noteDelivered(f, 0, 1024)
		r := c.request(f, 0, 0)
		r.Acks = []session.Acknowledgement{c.nextAck()}
		encoded := remora.Encode(r)
		b.StartTimer()
		if _, err := w.Deliver(b.Context(), "peer", encoded); err != nil {
			b.Fatal(err)
		}
	}
}
