package peers

import (
	"context"
	"errors"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store"
)

// FirstTry bounds the first question to each peer for batches that execution waits for; later ones get more.
const FirstTry = 300 * time.Millisecond

// Gatherer brings the batches that execution waits for. It belongs to the goroutine that owns the executor.
type Gatherer struct {
	client  *Client
	store   *store.Store
	sources *Sources
}

// NewGatherer returns the gatherer of an authority.
func NewGatherer(client *Client, st *store.Store, sources *Sources) *Gatherer {
	return &Gatherer{client: client, store: st, sources: sources}
}

// Gather returns the batches with these digests, which committed headers of dag list. A quorum acked each and a quorum
// voted for its header, so some correct authority has it. Nobody gets long at first.
func (g *Gatherer) Gather(ctx context.Context, dag []*remora.Header, digests []remora.Hash) ([]remora.Batch, error) {
	got := make(map[remora.Hash]remora.Batch, len(digests))
	missing, err := g.loadBatches(digests, got)
	for round := 0; err == nil && len(missing) > 0; round++ {
		if round > 0 {
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return nil, err
			}
		}
		for _, from := range g.sources.Order(Author(dag, missing[0])) {
			if err := g.askPeer(ctx, from, round, missing, got); err != nil {
				return nil, err
			}
			if missing, err = g.loadBatches(missing, got); err != nil || len(missing) == 0 {
				break
			}
		}
	}
	if err != nil {
		return nil, err
	}
	batches := make([]remora.Batch, len(digests))
	for i, d := range digests {
		batches[i] = got[d]
	}
	return batches, nil
}

// askPeer asks one peer, an answer at a time, as long as it brings any.
func (g *Gatherer) askPeer(ctx context.Context, from remora.Authority, round int, missing []remora.Hash, got map[remora.Hash]remora.Batch) error {
	for len(missing) > 0 {
		trying, cancel := context.WithTimeout(ctx, min(AskTimeout, FirstTry<<min(round, 8)))
		found, _ := g.client.AskBatches(trying, from, missing[:min(len(missing), max(1, MaxBatchRange>>round))])
		cancel()
		g.sources.Report(from, len(found) > 0)
		if len(found) == 0 {
			return nil
		}
		if err := g.store.AppendBatches(found); err != nil {
			return err
		}
		for _, b := range found {
			got[b.Digest] = b
		}
		missing = Without(missing, found)
	}
	return nil
}

// loadBatches adds what is stored here and returns what is missing.
func (g *Gatherer) loadBatches(digests []remora.Hash, got map[remora.Hash]remora.Batch) ([]remora.Hash, error) {
	var missing []remora.Hash
	for _, d := range digests {
		if _, ok := got[d]; ok {
			continue
		}
		raw, err := g.store.Batch(d)
		if errors.Is(err, remora.ErrNotFound) || errors.Is(err, remora.ErrCorrupt) {
			missing = append(missing, d)
			continue
		}
		if err != nil {
			return nil, err
		}
		if got[d], err = remora.ParseBatch(raw); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// Without returns the digests that are of none of the batches.
func Without(digests []remora.Hash, batches []remora.Batch) []remora.Hash {
	got := make(map[remora.Hash]bool, len(batches))
	for _, b := range batches {
		got[b.Digest] = true
	}
	var left []remora.Hash
	for _, d := range digests {
		if !got[d] {
			left = append(left, d)
		}
	}
	return left
}
