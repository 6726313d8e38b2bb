package mempool_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// hold tells the core that a batch is stored here and at other authorities.
func (r *rig) hold(ref remora.BatchRef, others ...remora.Authority) {
	r.t.Helper()
	r.must(mempool.EpochOrdered{Epoch: 1})
	r.must(stored(ref))
	for _, a := range others {
		r.must(mempool.BatchesHeld{From: a, Digests: []remora.Hash{ref.Digest}})
	}
}

func TestAdoption(t *testing.T) {
	const patience = 200
	t.Run("successor_comes_first", func(t *testing.T) {
		r := newRig(t)
		r.hold(batch(3, 1), 1) // authority 0 comes after 3
		r.hold(batch(2, 1), 1)
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
			r.hold(batch(3, uint64(i)), 1)
		}
		if got := r.carried(4 * patience); len(got) > 256 || len(got) < 100 {
			t.Errorf("adopted %d batches of one author", len(got))
		}
	})
	t.Run("nobody_else_holds_it", func(t *testing.T) { // the author shows every authority other batches
		r := newRig(t)
		r.hold(batch(3, 1), 3) // the author does not count
		var asked []mempool.Want
		for range patience {
			ready := r.ticks(1)
			asked = append(asked, ready.Want...)
			if h := proposal(ready); h != nil {
				r.voteAll()
				r.deliver(h.Round, 1, 2, 3)
			}
		}
		want := []mempool.Want{
			{From: 1, Held: []remora.Hash{batch(3, 1).Digest}}, {From: 2, Held: []remora.Hash{batch(3, 1).Digest}},
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Errorf("questions (-want +got):\n%s", diff)
		}
		if got := r.carried(2 * patience); len(got) != 0 {
			t.Errorf("adopted %v, which nobody else is known to hold", got)
		}
		r.must(mempool.BatchesHeld{From: 2, Digests: []remora.Hash{batch(3, 1).Digest}})
		if got := r.carried(150); len(got) != 1 {
			t.Errorf("adopted %v of what a validity stake holds", got)
		}
	})
	t.Run("of_another_epoch", func(t *testing.T) {
		for epoch, want := range map[remora.Epoch]int{6: 0, 7: 1, 8: 1, 9: 0, 1 << 62: 0} {
			r := newRig(t)
			ref := batch(3, 1)
			ref.Epoch = epoch
			r.must(mempool.EpochOrdered{Epoch: 8})
			r.must(mempool.BatchStored{Ref: ref, Proof: mempooltest.SignBatch(r.Committee, &ref)})
			r.must(mempool.BatchesHeld{From: 1, Digests: []remora.Hash{ref.Digest}})
			if got := r.carried(2 * patience); len(got) != want {
				t.Errorf("in epoch 8, %d batches of epoch %d are adopted", len(got), epoch)
			}
		}
	})
	t.Run("false_reference_ends_nothing", func(t *testing.T) {
		r := newRig(t)
		r.hold(batch(3, 1), 1)
		named := batch(3, 1)
		named.Epoch = 0
		r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{{Headers: []*remora.Header{
			mempooltest.NewHeader(r.Committee, 2, 1, r.Parents(0), named),
		}}}})
		if got := r.carried(2 * patience); len(got) != 1 {
			t.Errorf("adopted %v", got)
		}
	})
	t.Run("bytes_are_bounded", func(t *testing.T) {
		r := newRig(t)
		for i := range uint64(100) {
			ref := batch(3, i)
			ref.Bytes = 600 << 10
			r.must(mempool.EpochOrdered{Epoch: 1})
			r.must(mempool.BatchStored{Ref: ref, Proof: mempooltest.SignBatch(r.Committee, &ref)})
			r.must(mempool.BatchesHeld{From: 1, Digests: []remora.Hash{ref.Digest}})
		}
		adopted := map[remora.BatchRef]bool{}
		for range 4 * patience {
			h := proposal(r.ticks(1))
			if h == nil {
				continue
			}
			bytes := 0
			for ref := range h.Adopted() {
				bytes += ref.Charge()
				adopted[*ref] = true
			}
			if bytes > 2<<20 {
				t.Fatalf("a header adopts %d bytes", bytes)
			}
			r.voteAll()
			r.deliver(h.Round, 1, 2, 3)
		}
		if got, most := len(adopted)*600<<10, remora.ListQuota/2/3; got > most || got < most/2 {
			t.Errorf("%d bytes of one author are adopted and not ordered, at most %d", got, most)
		}
	})
}

// TestVoteWaitsNotForExpired: a batch that has expired by what the voter ordered is not asked for, nor one that expires while a
// header waits for it. One of the future is.
func TestVoteWaitsNotForExpired(t *testing.T) {
	listing := func(r *rig, epoch remora.Epoch) mempool.HeaderReceived {
		ref := batch(2, 1)
		ref.Epoch = epoch
		return mempool.HeaderReceived{Header: mempooltest.NewHeader(r.Committee, 2, 1, r.Parents(0), ref)}
	}
	for epoch, voted := range map[remora.Epoch]bool{5: true, 6: false, 7: false, 9: false} {
		r := newRig(t)
		r.must(mempool.EpochOrdered{Epoch: 7})
		if ready := r.must(listing(r, epoch)); (len(votes(ready)) == 1) != voted || (len(ready.Want) == 0) != voted {
			t.Errorf("epoch %d in epoch 7: %d votes, %d requests", epoch, len(votes(ready)), len(ready.Want))
		}
	}
	r := newRig(t)
	r.must(mempool.EpochOrdered{Epoch: 7})
	r.must(listing(r, 7))
	if ready := r.must(mempool.EpochOrdered{Epoch: 8}); len(votes(ready)) != 0 {
		t.Error("voted without a batch that can be accepted")
	}
	if ready := r.must(mempool.EpochOrdered{Epoch: 9}); len(votes(ready)) != 1 {
		t.Error("a vote waits for a batch that expired")
	}
}
