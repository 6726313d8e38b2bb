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
	done      func(ctx context.Context, block *remora.Block, cert *remora.BlockCertificate) error
	log       *slog.Logger
}

// from executes what one peer has and returns the number of blocks. With patience the peer may wait so long for its next
// certified block before it answers that it has none. Only failures of this node are errors: a peer that lies, stalls
// or has nothing is left for the next one.
func (s *syncer) from(ctx context.Context, peer remora.Authority, patience time.Duration) (int, error) {
	executed := 0
	for {
		request := rangeRequest{From: s.store.Height() + 1, Count: syncBlocks, Wait: uint16(patience.Milliseconds())}
		items, err := s.ask(ctx, peer, askBlocks, request)
		if ctx.Err() != nil {
			return executed, ctx.Err()
		}
		if err != nil || len(items) == 0 || len(items) > syncBlocks {
			s.log.DebugContext(ctx, "no more blocks from a peer", slog.Int("authority", int(peer)), slog.Any("reason", err))
			return executed, nil
		}
		for _, item := range items {
			cb, batches, err := s.check(item)
			if err != nil {
				s.log.WarnContext(ctx, "refused a block from a peer", slog.Int("authority", int(peer)),
					slog.Uint64("height", uint64(s.store.Height()+1)), slog.Any("reason", err))
				return executed, nil
			}
			if err := s.apply(ctx, cb, batches); err != nil {
				return executed, err
			}
			executed++
		}
	}
}

// check decodes a served block and checks everything but its execution: a quorum's certificate over the header that
// continues our chain, and the bytes of exactly the batches that it executes.
func (s *syncer) check(item []byte) (*remora.CertifiedBlock, []remora.Batch, error) {
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
	batches, err := s.batches(cb, &sub)
	return cb, batches, err
}

func (s *syncer) batches(cb *remora.CertifiedBlock, sub *remora.SubDAG) ([]remora.Batch, error) {
	height := cb.Block.Header.Height
	refs, err := s.exec.Pending(sub)
	if err != nil {
		return nil, err
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
