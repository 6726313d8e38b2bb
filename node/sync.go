package node

import (
	"context"
	"fmt"
	"time"

	"github.com/remora-network/remora"
)

// syncBlocks is how many blocks one question of block sync asks for.
const syncBlocks = 64

// catchUp executes certified blocks of peers, one peer at a time, until no peer has more, and has the primary rebuilt
// from the store. A block counts by its certificate alone: no peer's claim of a height is believed.
func (e *engine) catchUp(ctx context.Context) error {
	e.counts.catching.Store(true)
	defer e.counts.catching.Store(false)
	from := e.store.Height()
	began := time.Now()
	for stalled := 0; stalled < e.authority.committee.Size(); {
		progressed := false
		for a := range e.authority.committee.Size() {
			if remora.Authority(a) == e.authority.self {
				continue
			}
			n, err := e.syncFrom(ctx, remora.Authority(a))
			if err != nil {
				return err
			}
			progressed = progressed || n > 0
		}
		if progressed {
			stalled = 0
			continue
		}
		if e.store.Height() > from {
			break
		}
		stalled++
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	e.log.InfoContext(ctx, "caught up by certified blocks", "from", uint64(from), "to", uint64(e.store.Height()),
		"took", time.Since(began).Round(time.Millisecond).String())
	if err := put(ctx, e.rebuilt, struct{}{}); err != nil {
		return err
	}
	return put(ctx, e.reannounce, struct{}{})
}

// syncFrom executes what one peer has and returns the number of blocks. Only failures of this node are errors: a peer
// that lies, stalls or has nothing is left for the next one.
func (e *engine) syncFrom(ctx context.Context, peer remora.Authority) (int, error) {
	executed := 0
	for {
		next := e.store.Height() + 1
		items, err := e.fetcher.ask(ctx, peer, askBlocks, rangeRequest{From: next, Count: syncBlocks})
		if ctx.Err() != nil {
			return executed, ctx.Err()
		}
		if err != nil || len(items) == 0 || len(items) > syncBlocks {
			e.log.DebugContext(ctx, "no more blocks from a peer", "authority", int(peer), "reason", err)
			return executed, nil
		}
		for _, item := range items {
			cb, batches, err := e.checkBlock(item)
			if err != nil {
				e.log.WarnContext(ctx, "refused a block from a peer", "authority", int(peer), "height", uint64(e.store.Height()+1), "reason", err)
				return executed, nil
			}
			if err := e.apply(ctx, cb, batches); err != nil {
				return executed, err
			}
			executed++
		}
	}
}

// checkBlock decodes a served block and checks everything but its execution: a quorum's certificate over the header
// that continues our chain, and the bytes of exactly the batches that it lists.
func (e *engine) checkBlock(item []byte) (*remora.CertifiedBlock, []remora.Batch, error) {
	cb, err := remora.DecodeCertifiedBlock(item, maxAnswer)
	if err != nil {
		return nil, nil, err
	}
	h, tip := &cb.Block.Header, e.exec.View().Tip
	if h.Height != tip.Height+1 || h.Parent != tip.Hash {
		return nil, nil, fmt.Errorf("%w: block %d after %s does not continue block %d %s", remora.ErrInvalid, h.Height, h.Parent, tip.Height, tip.Hash)
	}
	if cb.Certificate == nil {
		return nil, nil, fmt.Errorf("%w: block %d without certificate", remora.ErrInvalid, h.Height)
	}
	if err := e.authority.committee.BlockCertificate(h, cb.Certificate); err != nil {
		return nil, nil, err
	}
	sub := cb.Block.SubDAG(tip.SubDAG)
	if digest := sub.Digest(h.ChainID); digest != h.SubDAG {
		return nil, nil, fmt.Errorf("%w: block %d lists another sub-DAG than its header names", remora.ErrInvalid, h.Height)
	}
	refs, err := e.exec.Pending(&sub)
	if err != nil {
		return nil, nil, err
	}
	if len(refs) != len(cb.Batches) {
		return nil, nil, fmt.Errorf("%w: block %d comes with %d batches, needs %d", remora.ErrInvalid, h.Height, len(cb.Batches), len(refs))
	}
	batches := make([]remora.Batch, len(refs))
	for i, raw := range cb.Batches {
		if batches[i], err = remora.ParseBatch(raw); err != nil {
			return nil, nil, err
		}
		if batches[i].Digest != refs[i].Digest {
			return nil, nil, fmt.Errorf("%w: block %d: batch %d is %s, want %s", remora.ErrInvalid, h.Height, i, batches[i].Digest, refs[i].Digest)
		}
	}
	return cb, batches, nil
}

// apply executes a checked block. A quorum vouches for its header, so another outcome is this node's divergence.
func (e *engine) apply(ctx context.Context, cb *remora.CertifiedBlock, batches []remora.Batch) error {
	if err := e.store.AppendBatches(batches); err != nil {
		return err
	}
	sub := cb.Block.SubDAG(e.exec.View().Tip.SubDAG)
	block, err := e.exec.Execute(sub, batches, &cb.Block.Header)
	if err != nil {
		return err
	}
	if err := e.publish(ctx, block); err != nil {
		return err
	}
	return e.certified(ctx, cb.Certificate)
}

// askCertificates fetches certificates of blocks that this node executed and that others certified without it.
func (e *engine) askCertificates(ctx context.Context, waiting []remora.Height) error {
	low := waiting[0]
	if low+4 > e.store.Height() {
		return nil
	}
	n := len(e.authority.committee.Members)
	peer := remora.Authority((int(e.authority.self) + 1 + int(time.Now().UnixNano()%int64(max(n-1, 1)))) % n)
	if peer == e.authority.self {
		return nil
	}
	items, err := e.fetcher.ask(ctx, peer, askBlockCertificates, rangeRequest{From: low, Count: uint16(min(maxBlockRange, e.store.Height()-low+1))})
	if err != nil {
		return ctx.Err() // the next time another peer is asked
	}
	for _, item := range items {
		if len(item) == 0 {
			continue
		}
		if err := e.adopt(ctx, item); err != nil {
			return err
		}
	}
	return nil
}

// adopt stores a fetched block certificate if it holds for the block that was executed here.
func (e *engine) adopt(ctx context.Context, item []byte) error {
	cert := new(remora.BlockCertificate)
	if remora.Decode(item, remora.MaxCertificateBytes, cert) != nil {
		return nil
	}
	if _, open := e.certifier.own[cert.Height]; !open {
		return nil
	}
	block, err := e.store.Block(cert.Height)
	if err != nil {
		return err
	}
	if e.authority.committee.BlockCertificate(&block.Header, cert) != nil {
		return nil
	}
	return e.certified(ctx, cert)
}
