package validator

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/node/trust/trusttest"
)

// market is a fetcher of authority 0, and peers that serve batches of a store.
type market struct {
	*fetcher
	committee *trust.Committee
	server    *peers.Server
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
	m := &market{server: &peers.Server{Store: stores[1]}, committee: committee, asked: map[string]int{}, hangs: map[string]bool{}}
	m.fetcher = &fetcher{client: peers.NewClient(committee, m.serve), store: stores[0], log: slog.New(slog.DiscardHandler)}
	for range committee.Members {
		m.wants = append(m.wants, make(chan mempool.Want, wantQueue))
	}
	return m
}

func (m *market) serve(ctx context.Context, peer, protocol string, request []byte, _ int) ([]byte, error) {
	m.mu.Lock()
	m.asked[peer]++
	hangs := m.hangs[peer]
	m.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return m.server.Handlers()[protocol](ctx, peer, request)
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

// TestOneThatHangsDelaysNobody has one authority hang with wants in its queue while another one answers.
func TestOneThatHangsDelaysNobody(t *testing.T) {
	m := newMarket(t)
	m.hangs[m.committee.Members[1].PeerID] = true
	taken := make(chan fetched)
	m.batcher = taken
	ctx, cancel := context.WithCancel(t.Context())
	var loops sync.WaitGroup
	for _, a := range []remora.Authority{1, 2} {
		loops.Go(func() {
			if err := m.serveWants(ctx, a); err != nil {
				t.Error(err)
			}
		})
	}
	defer loops.Wait()
	defer cancel()
	h := m.list(t, 3, 1, 100)
	for range wantQueue {
		m.wants[1] <- mempool.Want{From: 1, Author: 3, Batches: h.Payload}
	}
	m.wants[2] <- mempool.Want{From: 2, Author: 3, Batches: h.Payload}
	select {
	case f := <-taken:
		f.reply <- nil
		if f.author != 3 || len(f.batches) != 1 || f.batches[0].Digest != h.Payload[0].Digest {
			t.Errorf("%d batches of author %d", len(f.batches), f.author)
		}
	case <-time.After(peers.AskTimeout):
		t.Error("nobody else is asked while one hangs")
	}
}

// TestHeaderFetchesWithinItsAuthorsQuota has a header list 38 MB, which its author serves, where there is room for 4 MiB.
func TestHeaderFetchesWithinItsAuthorsQuota(t *testing.T) {
	m := newMarket(t)
	core, err := worker.New(worker.Config{Committee: m.committee.Committee, Self: 0, Epoch: 1, ListQuota: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	b := &batcher{core: core, judge: newJudge(m.committee, new(Progress), nil, slog.New(slog.DiscardHandler))}
	taken := make(chan fetched)
	m.batcher = taken
	served := make(chan struct{})
	go func() {
		defer close(served)
		for f := range taken {
			f.reply <- b.takeFetched(f)
			rd, _ := core.Ready()
			core.Advance(rd)
			if err := m.store.AppendBatches(rd.Persist); err != nil {
				t.Error(err)
			}
		}
	}()
	h := m.list(t, 1, 64, 600_000)
	want := mempool.Want{From: 1, Author: 1, Batches: h.Payload}
	for range 3 {
		if err := m.bringBatches(t.Context(), want); !errors.Is(err, worker.ErrQuota) {
			t.Errorf("error %v, want %v", err, worker.ErrQuota)
		}
	}
	adopted := m.list(t, 1, 1, 50) // the author's quota is used up, that of the header's author is not
	if err := m.bringBatches(t.Context(), mempool.Want{From: 2, Author: 2, Batches: adopted.Payload}); err != nil {
		t.Errorf("a batch of another author: error %v", err)
	}
	close(taken)
	<-served
	stored := 0
	for _, d := range digestsOf(h) {
		if m.store.HasBatch(d) {
			stored++
		}
	}
	if asked := m.asked[m.committee.Members[1].PeerID]; stored != 6 || asked > 3 {
		t.Errorf("%d batches are stored in %d questions, the quota has room for 6", stored, asked)
	}
}
