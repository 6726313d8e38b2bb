package peers

import (
	"time"

	"github.com/remora-network/remora"
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
	dag     []*remora.Header // that list the batches
	missing []remora.Hash
	order   []remora.Authority // left to ask in this round; the first one is asked until it has nothing more
	round   int                // from 1
}

// BatchQuestion asks a peer for batches after a pause. Without a peer to ask, Digests is empty.
type BatchQuestion struct {
	Pause   time.Duration
	Peer    remora.Authority
	Digests []remora.Hash
	Timeout time.Duration
}

// NewGathering returns the questions for missing batches, which headers of dag list.
func NewGathering(s *Sources, dag []*remora.Header, missing []remora.Hash) *Gathering {
	return &Gathering{sources: s, dag: dag, missing: missing}
}

// Missing returns the digests of the batches that no answer has brought.
func (g *Gathering) Missing() []remora.Hash { return g.missing }

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

// Answered takes the batches that the last question brought; none if it failed.
func (g *Gathering) Answered(found []remora.Batch) {
	if len(g.order) == 0 {
		return
	}
	g.sources.CountAnswer(g.order[0], len(found) > 0)
	if len(found) == 0 {
		g.order = g.order[1:]
		return
	}
	g.missing = Without(g.missing, found)
}

// SetMissing corrects what is missing: batches come from elsewhere, too.
func (g *Gathering) SetMissing(digests []remora.Hash) { g.missing = digests }
