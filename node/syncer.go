package node

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
)

// syncBlocks is how many blocks one question of block sync asks for.
const syncBlocks = 64

// syncer executes certified blocks of peers. A block counts by its certificate alone: no peer's claim is believed. It
// belongs to the goroutine that owns the executor.
type syncer struct {
	committee *trust.Committee
	exec      *exec.Executor
	store     *store.Store
	ask       func(ctx context.Context, peer remora.Authority, protocol string, request any) ([][]byte, error)
	fetch     func(ctx context.Context, author remora.Authority, digest remora.Hash) (remora.Batch, error)
	done      func(ctx context.Context, block *remora.Block, cert *remora.BlockCertificate) error
	log       *slog.Logger
}

// from executes the blocks of one answer of one peer and returns their number: whoever is slow then makes room for the
// next. With patience the peer may wait so long for its next certified block before it answers that it has none. Only
// failures of this node are errors: a peer that lies, stalls or has nothing is left for the next one.
func (s *syncer) from(ctx context.Context, peer remora.Authority, patience time.Duration) (int, error) {
	request := rangeRequest{From: s.store.Height() + 1, Count: syncBlocks, Wait: uint16(patience.Milliseconds())}
	items, err := s.ask(ctx, peer, askBlocks, request)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil || len(items) > syncBlocks {
		s.log.DebugContext(ctx, "no blocks from a peer", slog.Int("authority", int(peer)), slog.Any("reason", err))
		return 0, nil
	}
	for i, item := range items {
		cb, batches, err := s.check(ctx, item)
		if ctx.Err() != nil {
			return i, ctx.Err()
		}
		if err != nil {
			s.log.WarnContext(ctx, "refused a block from a peer", slog.Int("authority", int(peer)),
				slog.Uint64("height", uint64(s.store.Height()+1)), slog.Any("reason", err))
			return i, nil
		}
		if err := s.apply(ctx, cb, batches); err != nil {
			return i, err
		}
	}
	return len(items), nil
}

// check decodes a served block and checks everything but its execution: a quorum's certificate over the header that
// continues our chain, and the bytes of exactly the batches that it executes.
func (s *syncer) check(ctx context.Context, item []byte) (*remora.CertifiedBlock, []remora.Batch, error) {
	cb, err := remora.DecodeCertifiedBlock(item, maxAnswer)
	if err != nil {
		return nil, nil, err
	}
	h, tip := &cb.Block.Header, s.exec.View().Tip
	if h.Height != tip.Height+1 || h.Parent != tip.Hash {
		return nil, nil, fmt.Errorf("%w: block %d after %s does not continue block %d %s", remora.ErrInvalid, h.Height, h.Parent, tip.Height, tip.Hash)
	}
	if cb.Certificate == nil {
		return nil, nil, fmt.Errorf("%w: block %d without certificate", remora.ErrInvalid, h.Height)
	}
	if err := s.committee.BlockCertificate(h, cb.Certificate); err != nil {
		return nil, nil, err
	}
	sub := cb.Block.SubDAG(tip.SubDAG)
	if sub.Digest(h.ChainID) != h.SubDAG {
		return nil, nil, fmt.Errorf("%w: block %d lists another sub-DAG than its header names", remora.ErrInvalid, h.Height)
	}
	batches, err := s.batches(ctx, cb, &sub)
	return cb, batches, err
}

// batches returns the batches of a block: those that came with it, or, with a block too large for that, by asking.
func (s *syncer) batches(ctx context.Context, cb *remora.CertifiedBlock, sub *remora.SubDAG) ([]remora.Batch, error) {
	height := cb.Block.Header.Height
	refs, err := s.exec.Pending(sub)
	if err != nil {
		return nil, err
	}
	if len(cb.Batches) == 0 && len(refs) > 0 {
		return gather(ctx, sub, refs, s.fetch)
	}
	if len(refs) != len(cb.Batches) {
		return nil, fmt.Errorf("%w: block %d comes with %d batches, needs %d", remora.ErrInvalid, height, len(cb.Batches), len(refs))
	}
	batches := make([]remora.Batch, len(refs))
	for i, raw := range cb.Batches {
		if batches[i], err = remora.ParseBatch(raw); err != nil {
			return nil, err
		}
		if batches[i].Digest != refs[i].Digest {
			return nil, fmt.Errorf("%w: block %d: batch %d is %s, want %s", remora.ErrInvalid, height, i, batches[i].Digest, refs[i].Digest)
		}
	}
	return batches, nil
}

// gather fetches the batches that a sub-DAG's block executes.
func gather(
	ctx context.Context, sub *remora.SubDAG, refs []remora.BatchRef,
	fetch func(ctx context.Context, author remora.Authority, digest remora.Hash) (remora.Batch, error),
) ([]remora.Batch, error) {
	authors := map[remora.Hash]remora.Authority{}
	for _, h := range sub.Headers {
		for _, ref := range h.Payload {
			authors[ref.Digest] = h.Author
		}
	}
	batches := make([]remora.Batch, len(refs))
	for i, ref := range refs {
		var err error
		if batches[i], err = fetch(ctx, authors[ref.Digest], ref.Digest); err != nil {
			return nil, err
		}
	}
	return batches, nil
}

// apply executes a checked block. A quorum vouches for its header, so another outcome is this node's divergence.
func (s *syncer) apply(ctx context.Context, cb *remora.CertifiedBlock, batches []remora.Batch) error {
	if err := s.store.AppendBatches(batches); err != nil {
		return err
	}
	block, err := s.exec.Execute(cb.Block.SubDAG(s.exec.View().Tip.SubDAG), batches, &cb.Block.Header)
	if err != nil {
		return err
	}
	return s.done(ctx, block, cb.Certificate)
}
