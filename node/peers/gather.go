package peers

import (
	"context"
	"slices"

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
	for gathering := NewGathering(g.sources, g.store, dag, digests); ; {
		batches, complete, err := gathering.LoadBatches()
		if complete || err != nil {
			return batches, err
		}
		if err := gathering.Answered(g.askPeer(ctx, gathering.NextQuestion())); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// askPeer asks a question, after its pause, and returns what the answer brings.
func (g *Gatherer) askPeer(ctx context.Context, q BatchQuestion) []remora.Batch {
	if q.Pause > 0 && Pause(ctx, q.Pause) != nil || len(q.Digests) == 0 {
		return nil
	}
	trying, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	found, _ := g.client.AskBatches(trying, q.Peer, q.Digests)
	return found
}

// Without returns the digests that belong to none of the batches.
func Without(digests []remora.Hash, batches []remora.Batch) []remora.Hash {
	got := make(map[remora.Hash]bool, len(batches))
	for _, b := range batches {
		got[b.Digest] = true
	}
	return slices.DeleteFunc(slices.Clone(digests), func(d remora.Hash) bool { return got[d] })
}
