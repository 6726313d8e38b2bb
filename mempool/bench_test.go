package mempool_test

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// BenchmarkRound measures a round of four cores, each with a header of 32 batches: 4 headers, 12 votes, 4 certificates
// sent to 3 peers each. Signatures cost next to nothing here.
func BenchmarkRound(b *testing.B) {
	committee := mempooltest.NewCommittee(4)
	cores := make([]*mempool.Core, 4)
	for a := range cores {
		var err error
		cores[a], err = mempool.New(mempool.Config{
			Committee: committee, Self: remora.Authority(a), Origin: mempooltest.Origin, GCDepth: 50,
			Leader: mempooltest.Leader(committee), Signer: mempooltest.Signer{Committee: committee, Self: remora.Authority(a)},
			Pace: mempool.Pace{HeaderDelay: 1, IdleDelay: 1},
		}, mempool.Snapshot{})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	var seq uint64
	for b.Loop() {
		for _, c := range cores {
			for range 32 {
				seq++
				step(b, c, mempool.BatchReady{Ref: batchNumber(seq)})
			}
			c.Tick(remora.Millis(seq))
		}
		for again := true; again; {
			again = false
			for a, c := range cores {
				if ready, ok := c.Ready(); ok {
					relay(b, cores, remora.Authority(a), ready)
					c.Advance(ready)
					again = true
				}
			}
		}
	}
	if got := cores[0].Round(); got < remora.Round(b.N) {
		b.Fatalf("%d rounds in %d iterations", got, b.N)
	}
}

// relay delivers what a core sends, confirms all payload, and orders the leader of the round before last.
func relay(b *testing.B, cores []*mempool.Core, from remora.Authority, ready mempool.Ready) {
	for _, o := range ready.Send {
		for to, c := range cores {
			if remora.Authority(to) != from && (o.Broadcast || o.To == remora.Authority(to)) {
				step(b, c, message(o))
			}
		}
	}
	for _, w := range ready.Want {
		for _, ref := range w.Batches {
			step(b, cores[from], mempool.BatchStored{Ref: ref})
		}
	}
	for _, cert := range ready.Delivered {
		step(b, cores[from], mempool.Ordered{SubDAGs: []remora.SubDAG{{Headers: []*remora.Header{&cert.Header}}}})
	}
}

func step(b *testing.B, c *mempool.Core, m mempool.Message) {
	if err := c.Step(m); err != nil {
		b.Fatal(err)
	}
}

func batchNumber(seq uint64) remora.BatchRef {
	ref := remora.BatchRef{Epoch: 1}
	for i := range 8 {
		ref.Digest[i] = byte(seq >> (8 * i))
	}
	return ref
}
