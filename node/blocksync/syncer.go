package blocksync

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
)

// QuestionBlocks is the number of blocks that Follow asks for.
const QuestionBlocks = 64

// Config holds the parts that a Syncer works with.
type Config struct {
	Self      remora.Authority
	Committee *trust.Committee
	Executor  *exec.Executor
	Store     *store.Store
	// Ask returns a checked answer.
	Ask func(ctx context.Context, peer remora.Authority, request peers.RangeRequest) (*peers.Span, error)
	// Gather returns the batches of a block that came without them, and makes them durable.
	Gather func(ctx context.Context, dag []*remora.Header, digests []remora.Hash) ([]remora.Batch, error)
	// Done is called with blocks that are executed and durable, with their certificates.
	Done func(ctx context.Context, blocks []*remora.Block) error
	Log  *slog.Logger
}

// Syncer executes certified blocks of peers. It belongs to the goroutine that owns the executor.
type Syncer struct {
	Config
	puller   *puller
	importer Importer
}

// New returns a syncer.
func New(c Config) *Syncer {
	return &Syncer{
		Config: c, importer: Importer{Executor: c.Executor, Store: c.Store},
		puller: &puller{pull: NewPull(c.Self, c.Committee.Committee), ask: c.Ask, log: c.Log},
	}
}

// CatchUp executes the blocks of peers, asking several at a time, until authorities of a validity stake have no more or no
// peer answers. Only failures of this node are errors.
func (s *Syncer) CatchUp(ctx context.Context) error {
	for {
		liar, err := s.pullAll(ctx)
		if !errors.Is(err, peers.ErrLie) {
			return err
		}
		s.Log.WarnContext(ctx, "refused a block from a peer", slog.Int("authority", int(liar)), slog.Any("reason", err))
		s.puller.pull.Accuse(liar, time.Now())
	}
}

// pullAll executes the blocks that the puller fetches. On peers.ErrLie it also returns the peer with the invalid answer, and
// discards all other answers.
func (s *Syncer) pullAll(ctx context.Context) (remora.Authority, error) {
	pulling, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	spans := make(chan *peers.Span)
	running.Go(func() { s.puller.pullBlocks(pulling, s.Executor.View().Tip.Height+1, spans) })
	for got := range spans {
		if err := s.executeSpan(ctx, got); err != nil {
			return got.Peer, err
		}
	}
	return 0, ctx.Err()
}

// Follow executes the blocks of one answer of one peer. It returns their number and the newest block that the peer claims to
// have. A peer without the next block waits for its certificate, at most for patience, before it answers.
func (s *Syncer) Follow(ctx context.Context, peer remora.Authority, patience time.Duration) (int, remora.Height, error) {
	request := peers.RangeRequest{From: s.Executor.View().Tip.Height + 1, Count: QuestionBlocks, Wait: uint16(patience.Milliseconds())}
	count := 0
	got, err := s.Ask(ctx, peer, request)
	if err == nil {
		count = len(got.Blocks)
		err = s.executeSpan(ctx, got)
	}
	switch {
	case ctx.Err() != nil:
		return 0, 0, ctx.Err()
	case got == nil || errors.Is(err, peers.ErrLie):
		s.Log.DebugContext(ctx, "no blocks from a peer", slog.Int("authority", int(peer)), slog.Any("reason", err))
		return 0, 0, nil
	case err != nil:
		return 0, 0, err
	}
	if count == 0 {
		return 0, 0, nil // whatever the peer claims to have, it has not sent it
	}
	return count, got.Newest, nil
}

// executeSpan executes the blocks of an answer.
func (s *Syncer) executeSpan(ctx context.Context, got *peers.Span) error {
	for {
		executed, lacking, err := s.importer.Import(got)
		if err != nil {
			return err
		}
		if len(executed) > 0 {
			if err := s.Done(ctx, executed); err != nil {
				return err
			}
		}
		if lacking == nil {
			return nil
		}
		if lacking.Batches, err = s.Gather(ctx, lacking.Block.DAG, lacking.Block.Batches); err != nil {
			return err
		}
	}
}
