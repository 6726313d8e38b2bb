package validator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/flight"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
)

// tick is the length of a core's logical tick.
const tick = 5 * time.Millisecond

// servedFor is the time for which certificates can be fetched after ordering has passed them.
const servedFor = time.Minute

// recentBatches bounds the memory of stored batches: about half a minute of them at full speed.
const recentBatches = 8192

// primary owns the mempool core and the commit rule. Its loop: receive, step, persist, send, order, advance.
type primary struct {
	committee *remora.Committee
	store     *store.Store
	host      *p2p.Host
	log       *slog.Logger
	signing   *Signing
	heard     *peers.Heard
	progress  *Progress
	rebuild   Rebuild
	flight    *flight.Recorder // nil: what the cores are told is not recorded
	counts    *metrics.Counts
	ports     ports
	head      *head.Head
	backlog   Backlog
	retention Retention

	core     *mempool.Core
	order    *consensus.Bullshark
	catching bool                                            // messages are dropped until the engine has caught up
	unsafe   error                                           // two quorums contradict each other, or the keys are in use elsewhere
	recent   remora.Recent[remora.Hash, mempool.BatchStored] // so that a vote needs no read from disk
	offset   time.Duration                                   // that tests add to the wall clock
}

// ports are the channels of the primary.
type ports struct {
	network <-chan mempool.Message // from peers, verified; bounded
	local   <-chan mempool.Message // from inside; never dropped
	rebuilt <-chan struct{}        // the engine has caught up
	engine  chan<- Work
	epoch   *atomic.Uint64      // after what is ordered, for the batcher
	gc      *atomic.Uint64      // round up to which nothing can be ordered any more, for the batcher
	wants   []chan mempool.Want // by authority
	judge   *judge              // of bad votes
}

// driveCores is the loop of the primary.
func (p *primary) driveCores(ctx context.Context) error {
	defer p.flight.Close()
	if err := p.rebuildCores(); err != nil {
		return err
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		next, out := p.nextWork()
		select {
		case m := <-p.ports.network:
			p.stepCore(ctx, m)
			takeMore(p.ports.network, func(m mempool.Message) { p.stepCore(ctx, m) })
		case m := <-p.ports.local:
			p.stepCore(ctx, m)
		case out <- next:
			p.backlog.DropFirst()
		case now := <-ticker.C:
			p.tickCore(now)
		case <-p.ports.rebuilt:
			if err := p.rebuildCores(); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
		if err := p.carryOut(ctx); err != nil {
			return err
		}
	}
}

// rebuildCores builds the cores from the store: the same way after a crash and after block sync.
func (p *primary) rebuildCores() error {
	config := p.rebuild.Prepare(p.store.Height(), p.core)
	snapshot, err := restore.Load(p.store, config)
	if err != nil {
		return err
	}
	cores, err := p.flight.Start(snapshot, config)
	if err != nil {
		return err
	}
	p.core, p.order, p.catching = cores.Mempool, cores.Order, false
	view := p.head.Newest()
	err = p.backlog.Begin(config.Committee, &config.Genesis.Params, view.View)
	if err := errors.Join(err, view.Release()); err != nil {
		return err
	}
	p.backlog.AddOrdered(cores.Committed)
	p.ports.epoch.Store(uint64(p.backlog.Epoch()))
	p.stepCore(context.Background(), mempool.EpochOrdered{Epoch: p.backlog.Epoch()})
	return nil
}

// nextWork returns the oldest work and the engine's channel, nil when there is no work.
func (p *primary) nextWork() (Work, chan<- Work) {
	w, waits := p.backlog.First()
	if !waits {
		return w, nil
	}
	return w, p.ports.engine
}

func (p *primary) stepCore(ctx context.Context, m mempool.Message) {
	switch m := m.(type) {
	case mempool.BatchStored:
		p.recent.Add(m.Ref.Digest, m)
	case mempool.HeaderReceived:
		p.heard.Note(m.Header)
	}
	if p.catching {
		return
	}
	p.flight.Step(m)
	err := p.core.Step(m)
	if errors.Is(err, mempool.ErrSafety) || errors.Is(err, mempool.ErrTwin) {
		p.unsafe = err
	}
	if err != nil {
		p.log.DebugContext(ctx, "refused a message", slog.String("kind", fmt.Sprintf("%T", m)), slog.Any("reason", err))
	}
}

func (p *primary) tickCore(now time.Time) {
	if p.catching {
		return
	}
	wall := remora.Millis(now.Add(p.offset).UnixMilli())
	p.flight.Tick(wall)
	p.core.Tick(wall)
	p.pruneCertificates(now)
	if p.flight.Full() { // the next recording begins with the snapshot of new cores
		p.requestSync()
	}
}

// requestSync stops the core until the engine has synced certified blocks; then the cores are rebuilt.
func (p *primary) requestSync() {
	p.catching = true
	p.backlog.Add(Work{CatchUp: true})
}

// carryOut persists, sends and orders until the core is done. An error ends the node: after a failed write nothing may leave
// it.
func (p *primary) carryOut(ctx context.Context) error {
	if p.unsafe != nil {
		return fmt.Errorf("ordering and signing stopped: %w", p.unsafe)
	}
	for !p.catching {
		rd, ok := p.core.Ready()
		if !ok {
			break
		}
		p.flight.Took(&rd)
		if len(rd.Persist) > 0 {
			if err := p.signing.CoverRecords(rd.Persist); err != nil {
				return err
			}
			began := time.Now()
			if err := p.store.SaveDAG(rd.Persist, rd.Sync); err != nil {
				return err
			}
			p.counts.DAGWrites.Since(began)
		}
		for i := range rd.Send {
			p.sendFrame(&rd.Send[i])
		}
		if err := p.orderCertificates(ctx, rd.Delivered); err != nil {
			return err
		}
		p.core.Advance(rd)
		p.passWants(ctx, rd.Want)
		p.noteEvents(ctx, rd.Events)
	}
	p.progress.EnterRound(p.core.Round())
	p.counts.Round.Store(uint64(p.core.Round()))
	p.counts.Doubt.Store(uint32(p.core.Doubt()))
	return nil
}

func (p *primary) sendFrame(o *mempool.Outgoing) {
	var f []byte
	switch {
	case o.Header != nil:
		f = peers.EncodeFrame(peers.FrameHeader, remora.Encode(o.Header))
	case o.Vote != nil:
		f = peers.EncodeFrame(peers.FrameVote, remora.Encode(o.Vote))
	default:
		f = peers.EncodeFrame(peers.FrameCertificate, remora.Encode(o.Certificate))
	}
	if !o.Broadcast {
		p.host.Send(p.committee.Members[o.To].PeerID, peers.ChannelDAG, f)
		return
	}
	for a, m := range p.committee.Members {
		if remora.Authority(a) != p.rebuild.Cores.Self {
			p.host.Send(m.PeerID, peers.ChannelDAG, f)
		}
	}
}

// orderCertificates orders delivered certificates and tells batcher and core what was committed.
func (p *primary) orderCertificates(ctx context.Context, certificates []*remora.Certificate) error {
	committed, err := p.backlog.OrderCertificates(p.order, certificates)
	if err != nil || len(committed) == 0 {
		return err
	}
	p.ports.epoch.Store(uint64(p.backlog.Epoch()))
	p.retention.PassLeader(p.order.LeaderRound(), p.order.GCRound(), time.Now())
	p.ports.gc.Store(uint64(p.order.GCRound()))
	p.stepCore(ctx, mempool.Ordered{SubDAGs: committed})
	p.stepCore(ctx, mempool.EpochOrdered{Epoch: p.backlog.Epoch()})
	return nil
}

// passWants hands wants to the fetcher, without the batches that are stored here. The core repeats a want that finds no room.
func (p *primary) passWants(ctx context.Context, wants []mempool.Want) {
	for _, w := range wants {
		if w.Batches = p.findAbsent(ctx, w.Batches); len(w.Batches)+len(w.Parents)+len(w.Held) == 0 && !w.Tip {
			continue
		}
		select {
		case p.ports.wants[w.From] <- w:
		default:
		}
	}
}

// findAbsent steps the core with the batches that are stored here and returns the others.
func (p *primary) findAbsent(ctx context.Context, refs []remora.BatchRef) []remora.BatchRef {
	var absent []remora.BatchRef
	for _, ref := range refs {
		stored, ok := p.recent.Get(ref.Digest)
		if !ok {
			found, err := p.store.BatchRef(ref.Digest)
			if err != nil { // a damaged batch counts as absent, so it is fetched again
				absent = append(absent, ref)
				continue
			}
			stored = mempool.BatchStored{Ref: found}
		}
		p.stepCore(ctx, stored)
	}
	return absent
}

// noteEvents counts and logs events, and requests block sync when the core is too far behind.
func (p *primary) noteEvents(ctx context.Context, events []mempool.Event) {
	for _, e := range events {
		switch e := e.(type) {
		case mempool.Proposed:
			p.counts.Proposed.Add(1)
		case mempool.LeaderTimeout:
			p.counts.Timeouts.Add(1)
		case mempool.Requeued:
			p.counts.Requeued.Add(uint64(e.Batches))
		case mempool.Behind:
			p.log.InfoContext(ctx, "too far behind the committee's rounds: syncing certified blocks",
				slog.Uint64("round", uint64(p.core.Round())), slog.Uint64("seen", uint64(e.Round)))
			p.requestSync()
			return
		case mempool.Equivocation:
			p.log.WarnContext(ctx, "an authority signed two headers for one round",
				slog.Int("author", int(e.Second.Author)), slog.Uint64("round", uint64(e.Second.Round)),
				slog.String("second", e.Second.Digest().String()), slog.Any("certified", e.Certified))
		case mempool.Outdated:
			p.log.WarnContext(ctx, "the disk is an older copy: this validator made a header that it does not know; it asks the others before it signs",
				slog.Uint64("round", uint64(e.Header.Round)))
		case mempool.Rejoined:
			p.log.InfoContext(ctx, "rejoined: signs again, above a round", slog.Uint64("round", uint64(e.Floor)))
		case mempool.BadVote:
			p.ports.judge.blameMember(ctx, e.Voter, fmt.Errorf("vote in round %d: %w", e.Round, trust.ErrSignature))
		}
	}
}

// pruneCertificates deletes certificates that are not needed any more.
func (p *primary) pruneCertificates(now time.Time) {
	gc := p.retention.TakeDue(now, p.progress.CertifiedLeader())
	if gc == 0 {
		return
	}
	if err := p.store.PruneDAG(gc); err != nil {
		p.log.Warn("could not prune old certificates", slog.Any("reason", err))
	}
}
