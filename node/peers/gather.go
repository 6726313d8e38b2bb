package peers

import (
	"context"
	"errors"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store"
)

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

// Gather returns the batches with these digests, which committed headers of dag list, durable.
func (g *Gatherer) Gather(ctx context.Context, dag []*remora.Header, digests []remora.Hash) ([]remora.Batch, error) {
	got := make(map[remora.Hash]remora.Batch, len(digests))
	missing, err := g.loadBatches(digests, got)
	if err != nil {
		return nil, err
	}
	for gathering := NewGathering(g.sources, dag, missing); len(gathering.Missing()) > 0; {
		found, err := g.askPeer(ctx, gathering.NextQuestion())
		if err != nil {
			return nil, err
		}
		for _, b := range found {
			got[b.Digest] = b
		}
		gathering.Answered(found)
		if missing, err = g.loadBatches(gathering.Missing(), got); err != nil {
			return nil, err
		}
		gathering.SetMissing(missing)
	}
	batches := make([]remora.Batch, len(digests))
	for i, d := range digests {
		batches[i] = got[d]
	}
	return batches, nil
}

// askPeer asks a question and stores what it brings. Only failures of this node are errors.
func (g *Gatherer) askPeer(ctx context.Context, q BatchQuestion) ([]remora.Batch, error) {
	if q.Pause > 0 {
		if err := pause(ctx, q.Pause); err != nil {
			return nil, err
		}
	}
	if len(q.Digests) == 0 {
		return nil, ctx.Err()
	}
	trying, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	found, _ := g.client.AskBatches(trying, q.Peer, q.Digests)
	if len(found) == 0 {
		return nil, ctx.Err()
	}
	return found, g.store.AppendBatches(found)
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
