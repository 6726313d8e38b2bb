package validator

import (
	"context"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/store"
)

// engine owns the executor: committed sub-DAGs become blocks. The announcer decides what follows, such as block
// certificates.
type engine struct {
	exec      *exec.Executor
	store     *store.Store
	head      *head.Head
	client    *peers.Client
	gatherer  *peers.Gatherer
	sync      *blocksync.Syncer
	announcer *Announcer
	judge     *judge
	log       *slog.Logger

	work       <-chan Work
	primary    chan<- mempool.Message // shares, contributions, demand
	batcher    chan<- worker.Message
	rebuilt    chan<- struct{}
	reannounce chan<- struct{}
	counts     *metrics.Counts
}

// executeBlocks is the loop of the engine.
func (e *engine) executeBlocks(ctx context.Context) error {
	ticker := time.NewTicker(ReissueEvery)
	defer ticker.Stop()
	err := e.passNotices(ctx, e.announcer.Resume(time.Now()))
	for err == nil {
		select {
		case w := <-e.work:
			err = e.executeWork(ctx, w)
		case <-ticker.C:
			err = e.reissueShares(ctx)
		case <-ctx.Done():
			return nil
		}
	}
	if ctx.Err() != nil {
		return nil // the error comes from stopping
	}
	return err
}

// passNotices delivers the announcer's notices, unless it failed.
func (e *engine) passNotices(ctx context.Context, failed error) error {
	if failed != nil {
		return failed
	}
	n := e.announcer.TakeNotices()
	if n.Certified > 0 {
		if err := e.head.Certify(n.Certified); err != nil {
			return err
		}
	}
	for _, m := range n.Worker {
		if err := sendTo(ctx, e.batcher, m); err != nil {
			return err
		}
	}
	for _, m := range n.Mempool {
		if err := sendTo(ctx, e.primary, m); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) executeWork(ctx context.Context, w Work) error {
	switch {
	case w.Sub != nil:
		return e.executeSubDAG(ctx, *w.Sub)
	case w.CatchUp:
		return e.syncBlocks(ctx)
	}
	for _, s := range w.Shares {
		if err := e.passNotices(ctx, e.announcer.HearShare(w.From, s)); err != nil {
			return err
		}
	}
	return nil
}

// executeSubDAG makes a committed sub-DAG the next block. It waits for missing batches, which only execution needs.
func (e *engine) executeSubDAG(ctx context.Context, sub remora.SubDAG) error {
	digests, err := e.exec.Pending(&sub)
	if err != nil {
		return err
	}
	batches, err := e.gatherer.Gather(ctx, sub.Headers, digests)
	if err != nil {
		return err
	}
	began := time.Now()
	block, err := e.exec.Execute(sub, batches, nil)
	if err != nil {
		return err
	}
	e.counts.Executions.Since(began)
	e.judge.noteFaults(block, batches)
	if err := e.publishBlocks(block); err != nil {
		return err
	}
	e.log.InfoContext(ctx, "block", slog.Uint64("height", uint64(block.Header.Height)),
		slog.Uint64("epoch", uint64(block.Header.Epoch)), slog.Uint64("round", uint64(sub.Leader().Round)),
		slog.Int("txs", len(block.Results)), slog.String("root", block.Header.StateRoot.String()[:16]))
	return e.passNotices(ctx, e.announcer.BlockExecuted(block, time.Now()))
}

// publishSynced publishes the state after blocks that came with their certificates.
func (e *engine) publishSynced(ctx context.Context, blocks []*remora.Block) error {
	if err := e.publishBlocks(blocks...); err != nil {
		return err
	}
	return e.passNotices(ctx, e.announcer.BlocksSynced(blocks, time.Now()))
}

// publishBlocks shows readers the state after blocks that are durable.
func (e *engine) publishBlocks(blocks ...*remora.Block) error {
	if err := e.head.Publish(head.NewView(e.store, e.exec.View(), blocks[len(blocks)-1])); err != nil {
		return err
	}
	e.counts.CountBlocks(blocks)
	return nil
}

// reissueShares offers shares again, and asks a peer for certificates that formed while this node was away. A peer that
// does not answer costs little: the next question goes to another one.
func (e *engine) reissueShares(ctx context.Context) error {
	question, err := e.announcer.Reissue(time.Now())
	if err := e.passNotices(ctx, err); err != nil || question == nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, peers.FirstTry)
	defer cancel()
	found, err := e.client.AskBlockCertificates(asking, question.Peer, question.Range)
	if err != nil {
		return ctx.Err()
	}
	return e.passNotices(ctx, e.announcer.AdoptCertificates(found))
}

// syncBlocks executes certified blocks of peers until a certified tip is reached, and has the primary rebuilt from the store.
// The DAG brings the blocks made meanwhile: its window is much wider than they are.
func (e *engine) syncBlocks(ctx context.Context) error {
	e.counts.Catching.Store(true)
	defer e.counts.Catching.Store(false)
	from, began := e.store.Height(), time.Now()
	if err := e.sync.CatchUp(ctx); err != nil {
		return err
	}
	e.log.InfoContext(ctx, "caught up by certified blocks", slog.Uint64("from", uint64(from)),
		slog.Uint64("to", uint64(e.store.Height())), slog.String("took", time.Since(began).Round(time.Millisecond).String()))
	if err := sendTo(ctx, e.rebuilt, struct{}{}); err != nil {
		return err
	}
	if err := sendTo(ctx, e.reannounce, struct{}{}); err != nil {
		return err
	}
	e.announcer.CoresRebuilt()
	return e.passNotices(ctx, nil)
}
