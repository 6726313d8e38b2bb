package blocksync

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/node/trust"
)

// answering answers a question for blocks in place of the honest peers, of which ask is one.
type answering func(ctx context.Context, r peers.RangeRequest, ask func(peers.RangeRequest) (peers.BlocksAnswer, error)) (peers.BlocksAnswer, error)

// swarm is a chain that peers serve, and a node that syncs it.
type swarm struct {
	t      testing.TB
	theirs *replaytest.Chain
	ours   *replaytest.Chain
	syncer *Syncer

	payload [][]byte // of a block

	mu       sync.Mutex
	asked    map[remora.Authority]int
	bent     map[remora.Authority]answering
	executed []*remora.Block
}

const swarmChain = "dev-swarm"

// newSwarm returns a node at height 0, authority 0, and three peers with a chain of the given number of certified blocks.
func newSwarm(t testing.TB, blocks int) *swarm {
	t.Helper()
	s := &swarm{
		t: t, theirs: replaytest.New(t, swarmChain), ours: replaytest.New(t, swarmChain),
		payload: [][]byte{remora.EncodeOpaque([]byte("payload"))},
		asked:   map[remora.Authority]int{}, bent: map[remora.Authority]answering{},
	}
	for range blocks {
		s.grow()
	}
	s.begin()
	return s
}

// begin gives the node a syncer.
func (s *swarm) begin() {
	s.t.Helper()
	members, err := s.theirs.Genesis.Committee()
	if err != nil {
		s.t.Fatal(err)
	}
	committee, err := trust.New(members)
	if err != nil {
		s.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	ask := func(ctx context.Context, peer remora.Authority, r peers.RangeRequest) (*peers.Span, error) {
		answer, err := s.answer(ctx, peer, r)
		if err != nil {
			return nil, err
		}
		return peers.OpenSpan(committee, peer, r, remora.Encode(answer))
	}
	s.syncer = New(Config{
		Committee: committee, Executor: s.ours.Executor, Store: s.ours.Store, Ask: ask, Log: log,
		Gather: func(_ context.Context, _ []*remora.Header, digests []remora.Hash) ([]remora.Batch, error) {
			var batches []remora.Batch
			for _, d := range digests {
				raw, err := s.theirs.Store.Batch(d)
				if err != nil {
					return nil, err
				}
				b, err := remora.ParseBatch(raw)
				if err != nil {
					return nil, err
				}
				batches = append(batches, b)
			}
			return batches, nil
		},
		Done: func(_ context.Context, blocks []*remora.Block) error {
			s.executed = append(s.executed, blocks...)
			return nil
		},
	})
}

// grow adds a block with a batch to the peers' chain.
func (s *swarm) grow() {
	s.t.Helper()
	s.theirs.Certify(s.theirs.Block(s.payload...).Header.Height)
}

func (s *swarm) answer(ctx context.Context, peer remora.Authority, r peers.RangeRequest) (peers.BlocksAnswer, error) {
	honest := func(r peers.RangeRequest) (a peers.BlocksAnswer, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked[peer]++
		server := peers.Server{Domain: s.theirs.Genesis.Domain(), Store: s.theirs.Store}
		raw, err := server.Handlers()[peers.ProtocolBlocks](ctx, "", remora.Encode(r))
		if err != nil {
			return a, err
		}
		return a, remora.Decode(raw, peers.MaxAnswer, &a)
	}
	s.mu.Lock()
	bend := s.bent[peer]
	s.mu.Unlock()
	if bend == nil {
		return honest(r)
	}
	return bend(ctx, r, honest)
}

// check compares the node's chain with the peers'.
func (s *swarm) check() {
	s.t.Helper()
	tip := s.ours.Executor.View().Tip
	if want := s.theirs.Executor.View().Tip; tip.Hash != want.Hash || s.ours.Store.Height() != want.Height {
		s.t.Fatalf("at block %d %s, want block %d %s", tip.Height, tip.Hash, want.Height, want.Hash)
	}
	for h := remora.Height(1); h <= tip.Height; h++ {
		cb, err := s.ours.Store.CertifiedBlock(h)
		if err != nil || cb.Certificate == nil {
			s.t.Fatalf("block %d: %v", h, err)
		}
		if s.executed[h-1].Header.Height != h {
			s.t.Fatalf("block %d was announced in the place of block %d", s.executed[h-1].Header.Height, h)
		}
	}
}

func TestCatchUpAsksSeveralPeers(t *testing.T) {
	s := newSwarm(t, 150)
	if err := s.syncer.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.check()
	if len(s.asked) != 3 {
		t.Errorf("asked %v, want all three peers", s.asked)
	}
	s.grow()
	if n, newest, err := s.syncer.Follow(t.Context(), 2, 0); n != 1 || newest != 151 || err != nil {
		t.Errorf("one peer alone: %d blocks, the newest is %d, %v", n, newest, err)
	}
	s.check()
}

// TestCatchUpAgainAndAgain ends with questions under way, which count no more the next time.
func TestCatchUpAgainAndAgain(t *testing.T) {
	s := newSwarm(t, 0)
	for range 8 {
		s.grow()
		if err := s.syncer.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.check()
	}
}

// TestCatchUpWithBadPeers has one of three peers behave in every bad way; the chain is synced from the others.
func TestCatchUpWithBadPeers(t *testing.T) {
	// changed has a peer change one block of each answer.
	changed := func(change func(cb *remora.CertifiedBlock)) answering {
		return func(_ context.Context, r peers.RangeRequest, ask func(peers.RangeRequest) (peers.BlocksAnswer, error)) (peers.BlocksAnswer, error) {
			a, err := ask(r)
			if len(a.Items) > 0 {
				cb, failed := remora.DecodeCertifiedBlock(a.Items[0], peers.MaxAnswer)
				if failed != nil {
					return a, failed
				}
				change(cb)
				a.Items[0] = remora.Encode(cb)
			}
			return a, err
		}
	}
	shifted := func(change func(r *peers.RangeRequest)) answering {
		return func(_ context.Context, r peers.RangeRequest, ask func(peers.RangeRequest) (peers.BlocksAnswer, error)) (peers.BlocksAnswer, error) {
			change(&r)
			return ask(r)
		}
	}
	for name, bad := range map[string]answering{
		"hangs": func(ctx context.Context, _ peers.RangeRequest, _ func(peers.RangeRequest) (peers.BlocksAnswer, error)) (a peers.BlocksAnswer, err error) {
			<-ctx.Done()
			return a, ctx.Err()
		},
		"refuses": func(context.Context, peers.RangeRequest, func(peers.RangeRequest) (peers.BlocksAnswer, error)) (a peers.BlocksAnswer, err error) {
			return a, p2p.ErrNotConnected
		},
		"claims to have nothing": func(context.Context, peers.RangeRequest, func(peers.RangeRequest) (peers.BlocksAnswer, error)) (a peers.BlocksAnswer, err error) {
			return a, nil
		},
		"claims to have more": func(_ context.Context, r peers.RangeRequest, ask func(peers.RangeRequest) (peers.BlocksAnswer, error)) (peers.BlocksAnswer, error) {
			a, err := ask(r)
			a.Newest = 1 << 60
			return a, err
		},
		"sends other heights":      shifted(func(r *peers.RangeRequest) { r.From++ }),
		"sends too much":           shifted(func(r *peers.RangeRequest) { r.Count = peers.MaxBlockRange }),
		"sends one at a time":      shifted(func(r *peers.RangeRequest) { r.Count = 1 }),
		"changes the header":       changed(func(cb *remora.CertifiedBlock) { cb.Block.Header.Time++ }),
		"forges certificates":      changed(func(cb *remora.CertifiedBlock) { cb.Certificate.Signature[7] ^= 1 }),
		"takes certificates off":   changed(func(cb *remora.CertifiedBlock) { cb.Certificate = nil }),
		"names too few signers":    changed(func(cb *remora.CertifiedBlock) { cb.Certificate.Signers = remora.NewBitmap(4, 0, 1) }),
		"changes the sub-DAG":      changed(func(cb *remora.CertifiedBlock) { cb.Block.DAG[0].CreatedAt++ }),
		"lists other batches":      changed(func(cb *remora.CertifiedBlock) { cb.Block.Batches[0][0] ^= 1 }),
		"changes a batch":          changed(func(cb *remora.CertifiedBlock) { cb.Batches[0][len(cb.Batches[0])-1] ^= 1 }),
		"sends a batch too many":   changed(func(cb *remora.CertifiedBlock) { cb.Batches = append(cb.Batches, cb.Batches[0]) }),
		"sends no batches":         changed(func(cb *remora.CertifiedBlock) { cb.Batches = nil }),
		"changes what it executed": changed(func(cb *remora.CertifiedBlock) { cb.Block.Results = []byte{77} }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSwarm(t, 40)
			s.bent[1] = bad
			if err := s.syncer.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.check()
		})
	}
}

// TestCatchUpEndsWhileTheChainMovesOn has the chain make a block for every question.
func TestCatchUpEndsWhileTheChainMovesOn(t *testing.T) {
	s := newSwarm(t, 30)
	moving := func(_ context.Context, r peers.RangeRequest, ask func(peers.RangeRequest) (peers.BlocksAnswer, error)) (peers.BlocksAnswer, error) {
		s.mu.Lock()
		s.grow()
		s.mu.Unlock()
		return ask(r)
	}
	for peer := range remora.Authority(4) {
		s.bent[peer] = moving
	}
	if err := s.syncer.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if tip := s.ours.Executor.View().Tip.Height; tip < 30 {
		t.Errorf("ended at block %d", tip)
	}
}

// TestAnotherParentIsAMinority has this node execute another block than the quorum did.
func TestAnotherParentIsAMinority(t *testing.T) {
	for name, sync := range map[string]func(*Syncer, context.Context) error{
		"of several": (*Syncer).CatchUp,
		"of one": func(s *Syncer, ctx context.Context) error {
			_, _, err := s.Follow(ctx, 1, 0)
			return err
		},
	} {
		s := newSwarm(t, 3)
		s.ours.Block(remora.EncodeOpaque([]byte("something else")))
		block, err := s.theirs.Store.Block(1)
		if err != nil {
			t.Fatal(err)
		}
		var m *Minority
		if err := sync(s.syncer, t.Context()); !errors.As(err, &m) || m.Height != 1 || m.Hash != block.Header.Hash() {
			t.Errorf("%s: error %v, want the quorum's block 1", name, err)
		}
	}
}

// TestAnotherOutcomeIsADivergence has the quorum sign a header that execution does not give.
func TestAnotherOutcomeIsADivergence(t *testing.T) {
	s := newSwarm(t, 3)
	s.bent[1] = func(_ context.Context, r peers.RangeRequest, ask func(peers.RangeRequest) (peers.BlocksAnswer, error)) (peers.BlocksAnswer, error) {
		r.Count = 1
		a, err := ask(r)
		if err != nil {
			return a, err
		}
		cb, err := remora.DecodeCertifiedBlock(a.Items[0], peers.MaxAnswer)
		if err != nil {
			return a, err
		}
		cb.Block.Header.StateRoot[0] ^= 1
		cb.Certificate = s.theirs.Sign(&cb.Block.Header, 0, 1, 2)
		a.Items[0] = remora.Encode(cb)
		return a, nil
	}
	var d *exec.Divergence
	if _, _, err := s.syncer.Follow(t.Context(), 1, 0); !errors.As(err, &d) || d.Height != 1 || s.ours.Store.Height() != 0 {
		t.Errorf("height %d, error %v, want a divergence at block 1", s.ours.Store.Height(), err)
	}
}

// BenchmarkCatchUp syncs blocks of 100 transactions of 512 bytes, as at 2,000 a second. Serving them is in it.
func BenchmarkCatchUp(b *testing.B) {
	s := newSwarm(b, 0)
	tx := remora.EncodeOpaque(make([]byte, 512))
	s.payload = nil
	for range 100 {
		s.payload = append(s.payload, tx)
	}
	const blocks = 1000
	for range blocks {
		s.grow()
	}
	b.SetBytes(blocks * 100 * 512)
	for b.Loop() {
		b.StopTimer()
		s.ours = replaytest.New(b, swarmChain)
		s.begin()
		b.StartTimer()
		if err := s.syncer.CatchUp(b.Context()); err != nil || s.ours.Store.Height() != blocks {
			b.Fatalf("height %d, %v", s.ours.Store.Height(), err)
		}
	}
}
