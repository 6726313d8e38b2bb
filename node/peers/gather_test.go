package peers

import (
	"context"
	"sync"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/node/trust/trusttest"
)

// market is a gatherer of authority 0, and peers that serve batches of a store.
type market struct {
	*Gatherer
	committee *trust.Committee
	server    *Server
	mu        sync.Mutex
	asked     map[string]int // by peer
	seq       uint64         // of the next batch
	hangs     map[string]bool
}

func newMarket(t *testing.T) *market {
	t.Helper()
	committee, _, _ := trusttest.Committee(t)
	var stores [2]*store.Store
	for i := range stores {
		var err error
		if stores[i], err = store.InMemory(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := stores[i].Close(); err != nil {
				t.Error(err)
			}
		})
	}
	m := &market{server: &Server{Store: stores[1]}, committee: committee, asked: map[string]int{}, hangs: map[string]bool{}}
	m.Gatherer = NewGatherer(NewClient(committee, m.serve), stores[0], NewSources(0, committee.Size()))
	return m
}

func (m *market) serve(ctx context.Context, peer, _ string, request []byte, _ int) ([]byte, error) {
	m.mu.Lock()
	m.asked[peer]++
	hangs := m.hangs[peer]
	m.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return m.server.serveBatches(ctx, peer, request)
}

// list stores batches of an author at the peers and returns a header that lists them.
func (m *market) list(t *testing.T, author remora.Authority, count, size int) *remora.Header {
	t.Helper()
	h := &remora.Header{Author: author}
	for range count {
		var b remora.BatchBuilder
		for left := size; left > 0; left -= 100_000 {
			b.Add(make([]byte, min(left, 100_000)))
		}
		batch := b.Seal(1, 1, author, 0, m.seq)
		m.seq++
		h.Payload = append(h.Payload, batch.Ref())
		if err := m.server.Store.AppendBatches([]remora.Batch{batch}); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func digestsOf(h *remora.Header) (digests []remora.Hash) {
	for _, ref := range h.Payload {
		digests = append(digests, ref.Digest)
	}
	return digests
}

// TestGatherManyBatches needs more than an answer holds, while one peer hangs.
func TestGatherManyBatches(t *testing.T) {
	m := newMarket(t)
	m.hangs[m.committee.Members[3].PeerID] = true
	h := m.list(t, 2, 40, 500_000)
	digests := digestsOf(h)
	got, err := m.Gather(t.Context(), []*remora.Header{h}, digests)
	if err != nil || len(got) != len(digests) {
		t.Fatalf("%d of %d batches, %v", len(got), len(digests), err)
	}
	for i := range digests {
		if got[i].Digest != digests[i] || !m.store.HasBatch(digests[i]) {
			t.Errorf("batch %d is %s, stored here: %t", i, got[i].Digest, m.store.HasBatch(digests[i]))
		}
	}
	if asked := m.asked[m.committee.Members[3].PeerID]; asked != 1 {
		t.Errorf("the peer that hangs was asked %d times", asked)
	}
}

// TestGatherLearnsWhoHangs waits for a peer that hangs once, not for every block.
func TestGatherLearnsWhoHangs(t *testing.T) {
	m := newMarket(t)
	hangs := m.committee.Members[3].PeerID
	m.hangs[hangs] = true
	for range 5 {
		h := m.list(t, 2, 1, 100) // 3 comes after the author
		if _, err := m.Gather(t.Context(), []*remora.Header{h}, digestsOf(h)); err != nil {
			t.Fatal(err)
		}
	}
	if asked := m.asked[hangs]; asked != 1 {
		t.Errorf("the peer that hangs was asked %d times", asked)
	}
}
