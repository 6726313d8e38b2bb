package mempool_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// Of several recorded votes for an author the newest counts, in any order of the records.
func TestNewestRecordedVoteBinds(t *testing.T) {
	r := newRig(t)
	r.Grow()
	voted := r.Header(2, 2)
	votes := []remora.Vote{mempooltest.NewVote(r.Committee, 0, r.Header(1, 2)), mempooltest.NewVote(r.Committee, 0, voted)}
	for range votes {
		slices.Reverse(votes)
		core, err := mempool.New(r.config, mempool.Snapshot{Votes: votes})
		if err != nil {
			t.Fatal(err)
		}
		if err := core.Step(mempool.HeaderReceived{Header: r.later(voted)}); !errors.Is(err, mempool.ErrEquivocation) {
			t.Errorf("another header of the round that was voted for: %v", err)
		}
	}
}

// An own certificate whose parents a crash took is not accepted, and durable before it leaves all the same.
func TestSuspendedOwnCertificateIsDurable(t *testing.T) {
	r := newRig(t)
	r.Grow()
	r.mine = r.Header(2, 0)
	r.disk.proposed = r.mine
	r.start(0)
	ready := r.voteAll()
	if len(events[mempool.Certified](ready)) != 1 || len(ready.Delivered) != 0 {
		t.Fatalf("want a certificate without its parents: %s", format(ready))
	}
	kept := slices.ContainsFunc(ready.Persist, func(rec mempool.Record) bool {
		return rec.Certificate != nil && rec.Certificate.Digest() == r.mine.Digest()
	})
	if !kept || !ready.Sync {
		t.Errorf("the certificate leaves without a durable record: %s", format(ready))
	}
}

// Two own headers in flight may list one batch. When leaders pass over both, the next header lists it once: peers refuse
// a header that lists a batch twice.
func TestBatchOfTwoPassedOverHeadersIsProposedOnce(t *testing.T) {
	r := busy(newRig(t))
	ref := batch(0, 1)
	r.must(mempool.BatchReady{Ref: ref})
	r.advance(4)
	r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{r.subDAG(0, 2, 0), r.subDAG(2, 4, 0)}})
	r.advance(8)
	if len(r.Certificate(1, 0).Header.Payload) != 1 || len(r.Certificate(5, 0).Header.Payload) != 1 {
		t.Fatal("the batch is not in two headers")
	}
	r.disk.sync()
	r.start(0)
	r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{r.subDAG(4, 8, 0)}})
	r.waitFor(200)
	if !slices.Equal(r.mine.Payload, []remora.BatchRef{ref}) {
		t.Errorf("proposed %s", batches(r.mine.Payload))
	}
}
