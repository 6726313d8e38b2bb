package validator

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state/payload"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
)

// pruneEvery is the least time between two segments that are examined.
const pruneEvery = time.Second

// Pruner frees the disk of batches that can never execute, after each change of the epoch, a segment at a time. It belongs to
// one goroutine.
type Pruner struct {
	Self  remora.Authority
	Store *store.Store

	epoch remora.Epoch // in which everything is examined unless more is set
	more  bool
}

// PruneSegment examines one segment of the store, if there is something to examine in this state, and returns the bytes that
// it freed.
func (p *Pruner) PruneSegment(state table.View) (freed int64, err error) {
	epoch, err := registry.GetEpoch(state)
	if err != nil || epoch.Number == p.epoch && !p.more {
		return 0, err
	}
	waiting, err := payload.Waiting(state)
	if err != nil {
		return 0, err
	}
	p.epoch = epoch.Number
	freed, p.more, err = p.Store.PruneBatches(store.Pruning{Self: p.Self, Epoch: p.epoch, Waiting: waiting})
	return freed, err
}

// pruneBatches is a loop: it runs a Pruner beside the engine.
func pruneBatches(ctx context.Context, p *Pruner, h *head.Head, log *slog.Logger) error {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		view := h.Newest()
		freed, err := p.PruneSegment(view.Tables)
		if err = errors.Join(err, view.Release()); err != nil {
			return errors.Join(err, errStopped)
		}
		if freed > 0 {
			log.InfoContext(ctx, "removed batches that can never execute", slog.Int64("bytes", freed))
		}
	}
}
