package mempool_test

import (
	"math/rand"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// TestArrival delivers one DAG in many ways.
func TestArrival(t *testing.T) {
	t.Run("any_order_and_chunking_delivers_once_and_parents_first", testArrival)
}

// testArrival has certificates arrive in any order, children before parents among them. The shell takes work after
// chunks of any size, and restarts after some; what was suspended then comes again.
func testArrival(t *testing.T) {
	stakes := []remora.Amount{1, 2, 2, 2, 2, 2} // authority 0 is under test, of the others four are a quorum
	chance := rand.New(rand.NewSource(1))
	b := mempooltest.NewBuilder(mempooltest.NewWeightedCommittee(stakes...))
	for range 2 * gcDepth {
		var authors []remora.Authority
		for _, a := range chance.Perm(5)[:4+chance.Intn(2)] {
			authors = append(authors, remora.Authority(a+1))
		}
		b.Grow(authors...)
	}
	for arrival := range 200 {
		r := newRig(t, stakes...)
		all := b.All()
		chance.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		var delivered []*remora.Certificate
		take := func(chunk []*remora.Certificate) {
			for _, c := range chunk {
				if err := r.core.Step(mempool.CertificateReceived{Certificate: c}); err != nil {
					t.Fatal(err)
				}
			}
			delivered = append(delivered, r.ready().Delivered...)
		}
		for chunk := range slices.Chunk(all, 1+chance.Intn(len(all))) {
			take(chunk)
			if chance.Intn(4) == 0 {
				r.disk.sync()
				r.start(0)
				r.ready()
			}
		}
		take(all) // whatever a restart lost
		checkDelivery(t, arrival, delivered, len(all))
	}
}

// checkDelivery fails unless all certificates were delivered, each once and after its parents.
func checkDelivery(t *testing.T, arrival int, delivered []*remora.Certificate, want int) {
	t.Helper()
	seen := map[remora.Hash]bool{}
	for _, c := range delivered {
		for _, p := range c.Header.Parents {
			if c.Round() > 1 && !seen[p.Digest] {
				t.Fatalf("arrival %d: %d/%d delivered before its parent of %d", arrival, c.Round(), c.Author(), p.Author)
			}
		}
		if seen[c.Digest()] {
			t.Fatalf("arrival %d: %d/%d delivered twice", arrival, c.Round(), c.Author())
		}
		seen[c.Digest()] = true
	}
	if len(seen) != want {
		t.Fatalf("arrival %d: %d of %d delivered", arrival, len(seen), want)
	}
}
