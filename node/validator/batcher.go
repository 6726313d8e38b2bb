package validator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
)

// batcher owns the worker core: clients' transactions into batches, peers' batches onto the disk.
type batcher struct {
	self      remora.Authority
	committee *trust.Committee
	signer    mempool.Signer
	core      *worker.Core
	store     *store.Store
	host      *p2p.Host
	log       *slog.Logger

	submissions <-chan submission
	network     <-chan p2p.Message    // batches of peers
	acks        <-chan p2p.Message    // of peers, for own batches
	local       <-chan worker.Message // from the engine; never dropped
	fetched     <-chan fetched        // batches that headers list
	reannounce  <-chan struct{}       // tell the primary again which own batches wait
	primary     chan<- mempool.Message
	ordered     orderedMarks
	judge       *judge
	door        *door.Door // is told what is sealed no more
	counts      *metrics.Counts

	waitlist waitlist
	own      OwnBatches
}

// orderedMarks say how far the primary has ordered.
type orderedMarks struct {
	epoch     *atomic.Uint64 // after what is ordered
	collected *atomic.Uint64 // round up to which no header can be ordered any more
	released  remora.Round   // the same, as the worker core knows it
}

// bundleTxs is the loop of the batcher.
func (b *batcher) bundleTxs(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for ticking := true; ; {
		if busy := b.core.Pending() > 0; busy != ticking { // an idle node needs no ticks
			ticking = busy
			if ticker.Stop(); busy {
				ticker.Reset(tick)
			}
			b.judge.progress.Starve(0)
		}
		epoch := remora.Epoch(b.ordered.epoch.Load())
		b.stepCore(ctx, worker.EpochOrdered{Epoch: epoch})
		b.door.NoteEpoch(epoch)
		b.releaseRounds(ctx)
		select {
		case s := <-b.submissions:
			b.waitlist.enterSubmission(b.core, s)
			takeMore(b.submissions, func(s submission) { b.waitlist.enterSubmission(b.core, s) })
		case m := <-b.network:
			b.takeBatch(ctx, m)
			takeMore(b.network, func(m p2p.Message) { b.takeBatch(ctx, m) })
		case m := <-b.acks:
			b.takeAcks(ctx, m)
			takeMore(b.acks, func(m p2p.Message) { b.takeAcks(ctx, m) })
		case m := <-b.local:
			b.own.Forget(m)
			b.stepCore(ctx, m)
		case f := <-b.fetched:
			f.reply <- b.takeFetched(f)
		case <-b.reannounce:
			if err := b.announceOwn(ctx); err != nil {
				return nil //nolint:nilerr // only the context ends it
			}
		case <-ticker.C:
			b.core.Tick()
			b.judge.progress.Starve(time.Duration(b.core.Starving()) * tick)
		case <-ctx.Done():
			return nil
		}
		if err := b.carryOut(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// releaseRounds tells the core when ordering has passed more rounds.
func (b *batcher) releaseRounds(ctx context.Context) {
	if round := remora.Round(b.ordered.collected.Load()); round > b.ordered.released {
		b.ordered.released = round
		b.stepCore(ctx, worker.RoundsCollected{Round: round})
	}
}

const (
	// refusedRate is the pace in bytes per second at which a peer's batches are taken while they change nothing, refused
	// ones or copies, and leastRefusal what each of them counts at least, for signature and lookups.
	refusedRate  = 8 << 20
	leastRefusal = 16 << 10
)

// holdTime is how long a batch of some bytes that changes nothing holds its sender up.
func holdTime(bytes int) time.Duration {
	return time.Duration(max(bytes, leastRefusal)) * time.Second / refusedRate
}

// takeBatch hands a peer's batch to the core. Batches that change nothing hold their sender's next ones up.
func (b *batcher) takeBatch(ctx context.Context, m p2p.Message) {
	from, known := b.committee.ByPeer(m.Peer)
	if !known {
		return
	}
	hold := func() { b.host.Hold(m.Peer, peers.ChannelBatch, holdTime(len(m.Payload))) }
	batch, proof, err := peers.DecodeBatch(m.Payload)
	if err == nil && batch.Term == b.committee.Term { // the core refuses others, and nobody is to blame for them
		ref := batch.Ref()
		err = b.committee.CheckBatch(&ref, proof)
	}
	if err != nil {
		hold()
		b.judge.blameMember(ctx, from, err)
		return
	}
	if _, done, err := b.store.BatchHeight(batch.Digest); err == nil && done {
		// It comes late, or from an author that restarted, and needs only the acknowledgement.
		hold()
		b.sendAcks(from, []remora.Hash{batch.Digest})
		return
	}
	if b.store.HasBatch(batch.Digest) {
		hold()
	}
	if err := b.core.Step(worker.PeerBatch{From: from, Batch: batch, Proof: proof}); err != nil {
		hold()
		b.judge.recordHit(limitBatches, from)
		b.log.DebugContext(ctx, "refused a batch", slog.String("peer", m.Peer), slog.Any("reason", err))
	}
	if b.core.Crowds(from) {
		b.judge.recordHit(limitWaiting, from)
	}
}

// takeAcks hands a peer's acknowledgements to the core.
func (b *batcher) takeAcks(ctx context.Context, m p2p.Message) {
	from, known := b.committee.ByPeer(m.Peer)
	if !known {
		return
	}
	digests, err := peers.DecodeAcks(m.Payload)
	if err != nil {
		b.judge.blameMember(ctx, from, err)
		return
	}
	for _, digest := range digests {
		b.stepCore(ctx, worker.Acked{From: from, Digest: digest})
	}
}

// takeFetched hands fetched batches to the core, in order, until the quota of the author that listed them is used up.
func (b *batcher) takeFetched(f fetched) error {
	for _, batch := range f.batches {
		if err := b.core.Step(worker.FetchedBatch{Lister: f.author, Round: f.round, Batch: batch}); err != nil {
			b.judge.recordHit(limitWaiting, f.author)
			return err
		}
	}
	return nil
}

func (b *batcher) stepCore(ctx context.Context, m worker.Message) {
	if err := b.core.Step(m); err != nil {
		b.log.DebugContext(ctx, "refused a batch message", slog.String("kind", fmt.Sprintf("%T", m)), slog.Any("reason", err))
	}
}

// announceOwn tells the primary again which own batches wait.
func (b *batcher) announceOwn(ctx context.Context) error {
	for _, ref := range b.own.Waiting() {
		if err := sendTo(ctx, b.primary, mempool.Message(mempool.BatchReady{Ref: ref})); err != nil {
			return err
		}
	}
	return nil
}

// carryOut persists, sends and answers until the core is done: batches are durable before they are announced.
func (b *batcher) carryOut(ctx context.Context) error {
	for {
		rd, ok := b.core.Ready()
		if !ok {
			return nil
		}
		if len(rd.Persist) > 0 {
			began := time.Now()
			if err := b.store.AppendBatches(rd.Persist); err != nil {
				return errors.Join(err, errStopped)
			}
			b.counts.BatchWrites.Since(began)
		}
		b.sendBatches(&rd)
		for _, s := range rd.Sealed {
			b.waitlist.answerClients(s)
		}
		for _, tx := range rd.Dropped {
			b.door.DropTx(tx)
		}
		if err := b.informPrimary(ctx, &rd); err != nil {
			return err
		}
		b.core.Advance(rd)
	}
}

// errStopped marks the failures after which a node must stop.
var errStopped = errors.New("the disk failed: restart the node when it is healthy again")

// sendBatches sends batches and acknowledgements to peers.
func (b *batcher) sendBatches(rd *worker.Ready) {
	for _, batch := range rd.Broadcast {
		frame := b.encodeBatch(batch)
		for a, m := range b.committee.Members {
			if remora.Authority(a) != b.self {
				b.host.Send(m.PeerID, peers.ChannelBatch, frame)
			}
		}
	}
	for _, r := range rd.Resend {
		b.host.Send(b.committee.Members[r.To].PeerID, peers.ChannelBatch, b.encodeBatch(r.Batch))
	}
	acks := make([][]remora.Hash, b.committee.Size())
	for _, a := range rd.Acks {
		acks[a.To] = append(acks[a.To], a.Digest)
	}
	for to, digests := range acks {
		b.sendAcks(remora.Authority(to), digests)
	}
}

func (b *batcher) sendAcks(to remora.Authority, digests []remora.Hash) {
	for _, frame := range peers.EncodeAcks(digests) {
		b.host.Send(b.committee.Members[to].PeerID, peers.ChannelAck, frame)
	}
}

// encodeBatch returns the frame of an own batch, with the signature by which others may adopt it.
func (b *batcher) encodeBatch(batch remora.Batch) []byte {
	ref := batch.Ref()
	return peers.EncodeBatch(batch, b.signer.SignHeader(remora.BatchMessage(b.committee.Domain, batch.Term, &ref)))
}

// informPrimary names batches that are stored here, and own ones that a quorum holds.
func (b *batcher) informPrimary(ctx context.Context, rd *worker.Ready) error {
	for _, s := range rd.Stored {
		if err := sendTo(ctx, b.primary, mempool.Message(mempool.BatchStored{Ref: s.Ref, Proof: s.Proof})); err != nil {
			return err
		}
	}
	for _, ref := range rd.Certified {
		b.own.Add(ref)
		if err := sendTo(ctx, b.primary, mempool.Message(mempool.BatchReady{Ref: ref})); err != nil {
			return err
		}
	}
	return nil
}
