package peers

import (
	"errors"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store"
)

const (
	// FirstTry bounds the first question to each peer; every further round of questions gets twice the time, at most
	// AskTimeout.
	FirstTry = 300 * time.Millisecond
	// roundPause passes between two rounds of questions.
	roundPause = 50 * time.Millisecond
)

// Gathering decides which peers to ask for the missing batches of a block. A quorum acknowledged each batch and a quorum
// voted for its header, so a correct authority has it. Waits are short at first. It has no goroutine and no clock: the owner
// sends the questions of NextQuestion and passes each outcome to Answered, until nothing is missing.
type Gathering struct {
	sources *Sources
	store   *store.Store
	dag     []*remora.Header // that list the batches
	digests []remora.Hash    // of the batches
	got     map[remora.Hash]remora.Batch
	missing []remora.Hash
	order   []remora.Authority // left to ask in this round; the first one until it brings nothing
	round   int                // from 1
}

// BatchQuestion asks a peer for batches after a pause. Without a peer to ask, Digests is empty.
type BatchQuestion struct {
	Pause   time.Duration
	Peer    remora.Authority
	Digests []remora.Hash
	Timeout time.Duration
}

// NewGathering returns the gathering of the batches with these digests, which headers of dag list.
func NewGathering(s *Sources, st *store.Store, dag []*remora.Header, digests []remora.Hash) *Gathering {
	return &Gathering{sources: s, store: st, dag: dag, digests: digests, got: make(map[remora.Hash]remora.Batch, len(digests))}
}

// LoadBatches loads what is stored: answers are, and batches come from elsewhere, too. It returns the batches in the order
// of their digests, and whether none is missing.
func (g *Gathering) LoadBatches() (batches []remora.Batch, complete bool, err error) {
	g.missing = nil
	batches = make([]remora.Batch, len(g.digests))
	for i, d := range g.digests {
		if _, known := g.got[d]; !known {
			raw, err := g.store.Batch(d)
			if errors.Is(err, remora.ErrNotFound) || errors.Is(err, remora.ErrCorrupt) {
				g.missing = append(g.missing, d)
				continue
			}
			if err != nil {
				return nil, false, err
			}
			if g.got[d], err = remora.ParseBatch(raw); err != nil {
				return nil, false, err
			}
		}
		batches[i] = g.got[d]
	}
	return batches, len(g.missing) == 0, nil
}

// NextQuestion returns the next question. Something must be missing.
func (g *Gathering) NextQuestion() BatchQuestion {
	var q BatchQuestion
	if len(g.order) == 0 {
		if g.round++; g.round > 1 {
			q.Pause = roundPause
		}
		g.order = g.sources.Order(Author(g.dag, g.missing[0]))
	}
	if len(g.order) == 0 { // a committee of one
		q.Pause = roundPause
		return q
	}
	again := min(g.round-1, 8)
	q.Peer, q.Timeout = g.order[0], min(AskTimeout, FirstTry<<again)
	q.Digests = g.missing[:min(len(g.missing), max(1, MaxBatchRange>>again))]
	return q
}

// Answered stores the batches that the last question brought; none if it failed.
func (g *Gathering) Answered(found []remora.Batch) error {
	if len(g.order) == 0 {
		return nil
	}
	g.sources.CountAnswer(g.order[0], len(found) > 0)
	if len(found) == 0 {
		g.order = g.order[1:]
		return nil
	}
	for _, b := range found {
		g.got[b.Digest] = b
	}
	return g.store.AppendBatches(found)
}
