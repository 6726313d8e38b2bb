package validator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/flight"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/node/store"
)

// tick is the length of a core's logical tick.
const tick = 5 * time.Millisecond

// servedFor is how long certificates stay servable after ordering has passed them.
const servedFor = time.Minute

// recentBatches is how many stored batches are remembered: about half a minute of them at full speed.
const recentBatches = 8192

// primary owns the mempool core and the commit rule. Its loop: receive, step, persist, send, deliver, advance.
type primary struct {
	committee *remora.Committee
	store     *store.Store
	host      *p2p.Host
	log       *slog.Logger
	signing   *signing
	heard     *peers.Heard
	progress  *Progress
	cores     restore.Config   // of the next cores
	flight    *flight.Recorder // nil: what the cores are told is not recorded
	counts    *metrics.Counts
	ports
	backlog   backlog
	retention Retention

	core     *mempool.Core
	order    *consensus.Bullshark
	catching bool                                            // peers' messages are dropped until the engine has caught up
	unsafe   error                                           // two quorums contradict each other, or the keys are in use elsewhere
	height   remora.Height                                   // of the newest block when the cores were built
	recent   remora.Recent[remora.Hash, mempool.BatchStored] // so that a vote needs no read from disk
	offset   time.Duration                                   // that tests add to the wall clock
}

// ports are what the primary hears and feeds.
type ports struct {
	network <-chan mempool.Message // from peers, verified; bounded
	local   <-chan mempool.Message // from inside; never dropped
	rebuilt <-chan struct{}        // the engine has caught up
	wants   []chan mempool.Want    // by authority
}

func (p *primary) run(ctx context.Context) error {
	defer p.flight.Close()
	if err := p.restart(); err != nil {
		return err
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		out, next := p.backlog.next()
		select {
		case m := <-p.network:
			p.step(ctx, m)
			p.drain(ctx)
		case m := <-p.local:
			p.step(ctx, m)
		case out <- next:
			p.backlog.taken()
		case now := <-ticker.C:
			p.tick(now)
		case <-p.rebuilt:
			if err := p.restart(); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
		if err := p.settle(ctx); err != nil {
			return err
		}
	}
}

// The least and the most ticks for which rebuilt cores follow the DAG before they ask for block sync again.
const (
	minQuiet = 200
	maxQuiet = 12_000
)

// restart builds the cores from the store: the same way after a crash and after block sync. A sync ends where no more
// blocks are certified, and would bring next to nothing at once again: the rest is for the DAG to bring. If that fails,
// because certified blocks lag behind it by more than its window, there is no hurry.
func (p *primary) restart() error {
	height := p.store.Height()
	if p.core != nil {
		p.cores.Doubt = p.core.Doubt()
		if p.cores.Quiet = min(max(2*p.cores.Quiet, minQuiet), maxQuiet); height > p.height {
			p.cores.Quiet = minQuiet
		}
	}
	p.height = height
	snapshot, err := restore.Load(p.store, p.cores)
	if err != nil {
		return err
	}
	cores, err := p.flight.Start(snapshot, p.cores)
	if err != nil {
		return err
	}
	p.core, p.order, p.catching = cores.Mempool, cores.Order, false
	if err := p.backlog.open(p.cores.Committee, &p.cores.Genesis.Params); err != nil {
		return err
	}
	p.backlog.order(cores.Committed)
	return nil
}

// drain takes what else has arrived, so that one write to disk serves all of it.
func (p *primary) drain(ctx context.Context) {
	for range verifyBatch {
		select {
		case m := <-p.network:
			p.step(ctx, m)
		default:
			return
		}
	}
}

func (p *primary) step(ctx context.Context, m mempool.Message) {
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

func (p *primary) tick(now time.Time) {
	if p.catching {
		return
	}
	wall := remora.Millis(now.Add(p.offset).UnixMilli())
	p.flight.Tick(wall)
	p.core.Tick(wall)
	p.prune(now)
	if p.flight.Full() { // the next recording begins with the snapshot of new cores
		p.catchUp()
	}
}

// catchUp has the engine sync blocks and the cores built again.
func (p *primary) catchUp() {
	p.catching = true
	p.backlog.put(work{catchUp: true})
}

// settle carries out what the core asks for. An error ends the node: after a failed write nothing may leave it.
func (p *primary) settle(ctx context.Context) error {
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
			if err := p.signing.cover(rd.Persist); err != nil {
				return err
			}
			began := time.Now()
			if err := p.store.SaveDAG(rd.Persist, rd.Sync); err != nil {
				return err
			}
			p.counts.DAGWrites.Since(began)
		}
		for i := range rd.Send {
			p.send(&rd.Send[i])
		}
		if err := p.deliver(ctx, rd.Delivered); err != nil {
			return err
		}
		p.core.Advance(rd)
		p.want(ctx, rd.Want)
		p.observe(ctx, rd.Events)
	}
	p.progress.EnterRound(p.core.Round())
	p.counts.Round.Store(uint64(p.core.Round()))
	p.counts.Doubt.Store(uint32(p.core.Doubt()))
	return nil
}

func (p *primary) send(o *mempool.Outgoing) {
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
		if remora.Authority(a) != p.cores.Self {
			p.host.Send(m.PeerID, peers.ChannelDAG, f)
		}
	}
}

// deliver orders certificates and queues what was committed, with the shares that the certified headers carried.
func (p *primary) deliver(ctx context.Context, certificates []*remora.Certificate) error {
	var committed []remora.SubDAG
	for _, c := range certificates {
		if len(c.Header.Shares) > 0 {
			p.backlog.put(work{from: c.Author(), shares: c.Header.Shares})
		}
		subs, err := p.order.Insert(c)
		if err != nil {
			return fmt.Errorf("ordering stopped at round %d by authority %d: %w", c.Round(), c.Author(), err)
		}
		p.backlog.order(subs)
		committed = append(committed, subs...)
	}
	if len(committed) == 0 {
		return nil
	}
	p.retention.PassLeader(p.order.LeaderRound(), p.order.GCRound(), time.Now())
	p.step(ctx, mempool.Ordered{SubDAGs: committed})
	return nil
}

// want answers what the store has and leaves the rest to the fetcher. A want that finds no room is repeated by the core.
func (p *primary) want(ctx context.Context, wants []mempool.Want) {
	for _, w := range wants {
		if w.Batches = p.missing(ctx, w.Batches); len(w.Batches) == 0 && len(w.Parents) == 0 && !w.Tip {
			continue
		}
		select {
		case p.wants[w.From] <- w:
		default:
		}
	}
}

func (p *primary) missing(ctx context.Context, refs []remora.BatchRef) []remora.BatchRef {
	var absent []remora.BatchRef
	for _, ref := range refs {
		stored, ok := p.recent.Get(ref.Digest)
		if !ok {
			stored, ok = p.stored(ref.Digest)
		}
		if !ok {
			absent = append(absent, ref)
			continue
		}
		p.step(ctx, stored)
	}
	return absent
}

// stored looks a batch up on disk. A damaged one counts as absent, so it is fetched again.
func (p *primary) stored(digest remora.Hash) (mempool.BatchStored, bool) {
	author, ref, err := p.store.BatchRef(digest)
	return mempool.BatchStored{Author: author, Ref: ref}, err == nil
}

func (p *primary) observe(ctx context.Context, events []mempool.Event) {
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
			p.catchUp()
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
			p.log.WarnContext(ctx, "an authority sent a vote whose signature is wrong", slog.Int("voter", int(e.Voter)))
		}
	}
}

// prune deletes certificates that are not needed any more.
func (p *primary) prune(now time.Time) {
	gc := p.retention.TakeDue(now, p.progress.CertifiedLeader())
	if gc == 0 {
		return
	}
	if err := p.store.PruneDAG(gc); err != nil {
		p.log.Warn("could not prune old certificates", slog.Any("reason", err))
	}
}
