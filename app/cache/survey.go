package cache

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
)

const (
	// hasTimeout is short: a cache that needs longer to look up a few names is too slow to deliver content.
	hasTimeout = 3 * time.Second
	// maxAsked bounds the caches that are asked at the same time.
	maxAsked = 4
)

// tally counts the caches that answered that they hold an entry.
type tally struct {
	entry   remora.ContentEntry
	order   []remora.Address // all caches in order of preference
	rank    int              // of this cache
	before  int              // holders that rank before it
	holders []remora.Address // in the order in which they answered
}

// isKept reports whether enough caches that rank before this one hold the entry.
func (t *tally) isKept() bool { return t.before >= int(t.entry.Replicas) }

// assignedCaches returns the caches to which the chain assigns the entry.
func (t *tally) assignedCaches() []remora.Address {
	return t.order[:min(int(t.entry.Replicas), len(t.order))]
}

// cachesBehind returns the caches that rank behind the assigned ones.
func (t *tally) cachesBehind() []remora.Address { return t.order[len(t.assignedCaches()):] }

// surveyHolders asks caches which of some entries they hold; whom returns the caches to ask about an entry. All
// questions to one cache are one request, and a cache that does not answer counts as holding nothing.
func (s *Service) surveyHolders(ctx context.Context, ring *ring, tallies []*tally, whom func(*tally) []remora.Address) {
	for some := range slices.Chunk(tallies, transfer.MaxRoots) {
		questions := map[remora.Address][]*tally{}
		for _, t := range some {
			for _, a := range whom(t) {
				if a != ring.self {
					questions[a] = append(questions[a], t)
				}
			}
		}
		s.askHolders(ctx, ring, questions)
	}
}

func (s *Service) askHolders(ctx context.Context, ring *ring, questions map[remora.Address][]*tally) {
	var mu sync.Mutex // guards the tallies
	var group sync.WaitGroup
	free := make(chan struct{}, maxAsked)
	for a, tallies := range questions {
		free <- struct{}{}
		group.Go(func() {
			defer func() { <-free }()
			answer := s.askCacheHas(ctx, ring.caches[a], tallies)
			mu.Lock()
			defer mu.Unlock()
			for i, held := range answer {
				if held == 1 {
					tallies[i].addHolder(a)
				}
			}
		})
	}
	group.Wait()
}

func (t *tally) addHolder(holder remora.Address) {
	t.holders = append(t.holders, holder)
	if slices.Index(t.order, holder) < t.rank {
		t.before++
	}
}

// askCacheHas returns one byte per tally, 1 if the cache holds the entry. It returns nil if the cache did not answer.
func (s *Service) askCacheHas(ctx context.Context, c transfer.Cache, tallies []*tally) []byte {
	request := transfer.HasRequest{Roots: make([]remora.Hash, len(tallies))}
	for i, t := range tallies {
		request.Roots[i] = t.entry.Content.Root
	}
	ctx, cancel := context.WithTimeout(ctx, hasTimeout)
	defer cancel()
	answer, err := s.c.Network.Ask(ctx, c, transfer.AskHas, remora.Encode(request), transfer.MaxRoots)
	if err != nil || len(answer) != len(tallies) {
		return nil
	}
	return answer
}
