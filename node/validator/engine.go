package validator

import (
	"context"
	"errors"
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
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/registry"
)

const (
	// reissueEvery is how often shares of blocks without certificate are offered again: a header that carried one may
	// never have been certified.
	reissueEvery = 500 * time.Millisecond
	// contributeEvery paces the beacon: a step costs every validator a pairing per contribution.
	contributeEvery = 500 * time.Millisecond
)

// engine owns the executor: committed sub-DAGs become blocks, shares become block certificates.
type engine struct {
	authority *authority
	exec      *exec.Executor
	store     *store.Store
	head      *head.Head
	client    *peers.Client
	gatherer  *peers.Gatherer
	sync      *blocksync.Syncer
	certifier *certifier
	log       *slog.Logger

	work       <-chan work
	primary    chan<- mempool.Message // shares, contributions, demand
	batcher    chan<- worker.Message
	rebuilt    chan<- struct{}
	reannounce chan<- struct{}
	counts     *metrics.Counts
	progress   *progress

	payload     remora.Height // newest block with transactions, or with a claim that waits for its seed or its opening
	demand      bool          // what the primary was told last
	epoch       remora.Epoch  // of the next block, as the batcher was told
	contributed remora.Contribution
	contributor time.Time // when contributed was made
	reissued    time.Time
}

func (e *engine) run(ctx context.Context) error {
	ticker := time.NewTicker(reissueEvery)
	defer ticker.Stop()
	if err := e.begin(ctx); err != nil {
		return e.unlessDone(ctx, err)
	}
	for {
		var err error
		select {
		case w := <-e.work:
			err = e.do(ctx, w)
		case <-ticker.C:
			err = e.reissue(ctx)
		case <-ctx.Done():
			return nil
		}
		if err != nil {
			return e.unlessDone(ctx, err)
		}
	}
}

// unlessDone hides errors that come from stopping.
func (e *engine) unlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// begin offers what a restart has to offer again: shares of blocks whose certificate is not stored, a contribution.
func (e *engine) begin(ctx context.Context) error {
	newest := e.store.Height()
	certified, err := e.store.CertifiedTo()
	if err != nil {
		return err
	}
	e.certifier.move(certified+1, newest)
	if err := e.keepOldest(ctx); err != nil {
		return err
	}
	for h := max(e.certifier.oldest, newest-min(newest, certifierWindow)); h <= newest; h++ {
		cert, err := e.store.BlockCertificate(h)
		if err != nil {
			return err
		}
		if cert != nil {
			if h == newest {
				err = e.head.Certify(h)
			}
		} else {
			err = e.own(ctx, h)
		}
		if err != nil {
			return err
		}
	}
	return e.contribute(ctx)
}

// own enters a stored block without certificate into the certifier and offers the own share.
func (e *engine) own(ctx context.Context, h remora.Height) error {
	block, err := e.store.Block(h)
	if err != nil {
		return err
	}
	return e.share(ctx, &block.Header)
}

func (e *engine) do(ctx context.Context, w work) error {
	switch {
	case w.sub != nil:
		return e.execute(ctx, *w.sub)
	case w.catchUp:
		return e.catchUp(ctx)
	}
	for _, s := range w.shares {
		if err := e.hear(ctx, w.from, s); err != nil {
			return err
		}
	}
	return nil
}

// execute makes a committed sub-DAG the next block. Missing batches are waited for: only execution needs them.
func (e *engine) execute(ctx context.Context, sub remora.SubDAG) error {
	refs, err := e.exec.Pending(&sub)
	if err != nil {
		return err
	}
	digests := make([]remora.Hash, len(refs))
	for i, ref := range refs {
		digests[i] = ref.Digest
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
	if err := e.publish(ctx, block); err != nil {
		return err
	}
	e.log.InfoContext(ctx, "block", slog.Uint64("height", uint64(block.Header.Height)),
		slog.Uint64("epoch", uint64(block.Header.Epoch)), slog.Uint64("round", uint64(sub.Leader().Round)),
		slog.Int("txs", len(block.Results)), slog.String("root", block.Header.StateRoot.String()[:16]))
	return e.share(ctx, &block.Header)
}

// synced publishes the state after blocks that came with their certificates.
func (e *engine) synced(ctx context.Context, blocks []*remora.Block) error {
	last := blocks[len(blocks)-1]
	if err := e.announce(ctx, blocks...); err != nil {
		return err
	}
	e.certifier.move(e.certifier.oldest, last.Header.Height)
	e.progress.certifyLeader(last.DAG[len(last.DAG)-1].Round)
	if err := e.head.Certify(last.Header.Height); err != nil {
		return err
	}
	return e.contribute(ctx)
}

// announce tells of blocks that are durable, and publishes the state after the last one.
func (e *engine) announce(ctx context.Context, blocks ...*remora.Block) error {
	if err := e.head.Publish(head.NewView(e.store, e.exec.View(), blocks[len(blocks)-1])); err != nil {
		return err
	}
	e.counts.LastBlock.Store(time.Now().UnixMilli())
	var digests []remora.Hash
	for _, b := range blocks {
		e.counts.Executed.Add(uint64(len(b.Results)))
		digests = append(digests, b.Batches...)
	}
	return e.informBatcher(ctx, digests)
}

// publish tells everyone of a block that is durable.
func (e *engine) publish(ctx context.Context, block *remora.Block) error {
	if err := e.announce(ctx, block); err != nil {
		return err
	}
	claims, err := delivery.Waiting(e.exec.View().Tables)
	if err != nil {
		return err
	}
	if len(block.Results) > 0 || claims {
		e.payload = block.Header.Height
		if err := e.hurry(ctx, true); err != nil {
			return err
		}
	}
	return e.contribute(ctx)
}

// hurry tells the primary whether there is something to hurry for.
func (e *engine) hurry(ctx context.Context, uncertified bool) error {
	e.demand = uncertified
	return put(ctx, e.primary, mempool.Message(mempool.Demand{Uncertified: uncertified}))
}

// informBatcher tells of batches that were executed, and of an epoch that began.
func (e *engine) informBatcher(ctx context.Context, executed []remora.Hash) error {
	if len(executed) > 0 {
		if err := put(ctx, e.batcher, worker.Message(worker.Executed{Digests: executed})); err != nil {
			return err
		}
	}
	next, err := registry.GetEpoch(e.exec.View().Tables)
	if err != nil || next.Number == e.epoch {
		return err
	}
	e.epoch = next.Number
	return put(ctx, e.batcher, worker.Message(worker.EpochChanged{Epoch: e.epoch}))
}

// contribute makes the contribution to the beacon's next step at a pace, and offers it again when it does not arrive.
func (e *engine) contribute(ctx context.Context) error {
	seed, err := beacon.GetSeed(e.exec.View().Tables)
	if err != nil {
		return err
	}
	wait := contributeEvery
	if e.contributed.Step == seed.Step+1 {
		wait = 4 * contributeEvery
	}
	if time.Since(e.contributor) < wait {
		return nil
	}
	e.contributed, e.contributor = e.authority.signContribution(seed), time.Now()
	return put(ctx, e.primary, mempool.Message(mempool.ContributionMade{Contribution: e.contributed}))
}

// share signs an executed block: for the next header, and towards the certificate formed here.
func (e *engine) share(ctx context.Context, h *remora.BlockHeader) error {
	s := e.authority.signShare(h)
	if err := put(ctx, e.primary, mempool.Message(mempool.ShareMade{Share: s})); err != nil {
		return err
	}
	if err := e.certified(ctx, e.certifier.executed(h.Height, s.Hash)); err != nil {
		return err
	}
	return e.hear(ctx, e.authority.self, s)
}

// hear takes a share. A quorum for another hash than ours means that this node is wrong or alone: it must stop.
func (e *engine) hear(ctx context.Context, from remora.Authority, s remora.Share) error {
	if err := e.certified(ctx, e.certifier.hear(from, s)); err != nil {
		return err
	}
	if other, disputed := e.certifier.disputed(s.Height); disputed {
		return &blocksync.Minority{Height: other.Height, Hash: other.Hash}
	}
	return nil
}

func (e *engine) certified(ctx context.Context, cert *remora.BlockCertificate) error {
	if cert == nil {
		return nil
	}
	if err := e.store.PutBlockCertificate(cert); err != nil {
		return err
	}
	e.certifier.certified(cert.Height)
	block, err := e.store.Block(cert.Height)
	if err != nil {
		return err
	}
	e.progress.certifyLeader(block.DAG[len(block.DAG)-1].Round)
	if err := e.head.Certify(cert.Height); err != nil {
		return err
	}
	if cert.Height < e.payload {
		return nil
	}
	return e.hurry(ctx, false)
}

// reissue offers shares again for the oldest blocks without certificate, and asks peers for certificates that formed
// while this node was away.
func (e *engine) reissue(ctx context.Context) error {
	if err := errors.Join(e.contribute(ctx), e.keepOldest(ctx)); err != nil {
		return err
	}
	waiting := e.certifier.waiting()
	if len(waiting) == 0 || waiting[0]+4 > e.store.Height() && time.Since(e.reissued) < 2*reissueEvery {
		return nil
	}
	e.reissued = time.Now()
	if err := e.askCertificates(ctx, waiting); err != nil {
		return err
	}
	for _, h := range waiting[:min(len(waiting), remora.MaxHeaderShares)] {
		block, err := e.store.Block(h)
		if err != nil {
			return err
		}
		s := e.authority.signShare(&block.Header)
		if err := put(ctx, e.primary, mempool.Message(mempool.ShareMade{Share: s})); err != nil {
			return err
		}
	}
	return nil
}
