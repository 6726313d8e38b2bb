package mempool_test

import (
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// carried returns the batches that the own headers made in some ticks are the first to list, with every round certified
// on the way.
func (r *rig) carried(ticks int) []remora.BatchRef {
	var refs []remora.BatchRef
	for range ticks {
		if h := proposal(r.ticks(1)); h != nil {
			for _, ref := range h.Payload {
				if !slices.Contains(r.carries, ref) {
					r.carries = append(r.carries, ref)
					refs = append(refs, ref)
				}
			}
			r.voteAll()
			r.deliver(h.Round, 1, 2, 3)
		}
	}
	return refs
}

func TestAdoption(t *testing.T) {
	const patience = 200
	t.Run("successor_comes_first", func(t *testing.T) {
		r := newRig(t)
		r.must(stored(batch(3, 1))) // authority 0 comes after 3
		r.must(stored(batch(2, 1)))
		if got := r.carried(patience - 1); len(got) != 0 {
			t.Errorf("adopted %v too early", got)
		}
		if got, want := r.carried(20), []remora.BatchRef{batch(3, 1)}; !slices.Equal(got, want) {
			t.Errorf("adopted %v, want %v", got, want)
		}
		if got, want := r.carried(patience), []remora.BatchRef{batch(2, 1)}; !slices.Equal(got, want) {
			t.Errorf("adopted %v, want %v", got, want)
		}
	})
	t.Run("ordered_batches_are_left_alone", func(t *testing.T) {
		r := newRig(t)
		r.must(stored(batch(3, 1)))
		r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{{Headers: []*remora.Header{
			mempooltest.NewHeader(r.Committee, 3, 1, r.Parents(0), batch(3, 1)),
		}}}})
		r.must(stored(batch(3, 1))) // another header lists it again
		if got := r.carried(4 * patience); len(got) != 0 {
			t.Errorf("adopted %v", got)
		}
	})
	t.Run("another_author_may_list_a_batch", func(t *testing.T) {
		r := newRig(t)
		r.must(mempool.HeaderReceived{Header: mempooltest.NewHeader(r.Committee, 2, 1, r.Parents(0), batch(3, 1))})
		if ready := r.must(stored(batch(3, 1))); len(votes(ready)) != 1 {
			t.Error("no vote for a header that lists another's batch")
		}
	})
	t.Run("memory_is_bounded", func(t *testing.T) {
		r := newRig(t)
		for i := range 2000 {
			r.must(stored(batch(3, uint64(i))))
		}
		if got := r.carried(4 * patience); len(got) != 256 {
			t.Errorf("adopted %d batches of one author", len(got))
		}
	})
}
