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
	// hasTimeout is short: a cache that takes longer to look up a few names is of no use to those who want content.
	hasTimeout = 3 * time.Second
	// surveyors bounds the caches that are asked at a time.
	surveyors = 4
)

// tally is who answered that they hold an entry.
type tally struct {
	entry   remora.ContentEntry
	order   []remora.Address // all caches, the first choice first
	rank    int              // of this cache
	before  int              // holders that rank before it
	holders []remora.Address // in the order in which they answered
}

// kept reports whether enough caches that rank before this one hold the entry.
func (t *tally) kept() bool { return t.before >= int(t.entry.Replicas) }

// assigned returns those whom the chain wants to hold the entry.
func (t *tally) assigned() []remora.Address {
	return t.order[:min(int(t.entry.Replicas), len(t.order))]
}

// behind returns the rest.
func (t *tally) behind() []remora.Address { return t.order[len(t.assigned()):] }

// survey asks caches which of some entries they hold, about each entry those that whom returns. All entries that one
// cache is asked about are one request, and who does not answer holds nothing.
func (s *Service) survey(ctx context.Context, ring *ring, tallies []*tally, whom func(*tally) []remora.Address) {
	for some := range slices.Chunk(tallies, transfer.MaxRoots) {
		questions := map[remora.Address][]*tally{}
		for _, t := range some {
			for _, a := range whom(t) {
				if a != ring.self {
					questions[a] = append(questions[a], t)
				}
			}
		}
		s.askAll(ctx, ring, questions)
	}
}

func (s *Service) askAll(ctx context.Context, ring *ring, questions map[remora.Address][]*tally) {
	var mu sync.Mutex // guards the tallies
	var group sync.WaitGroup
	free := make(chan struct{}, surveyors)
	for a, tallies := range questions {
		free <- struct{}{}
		group.Go(func() {
			defer func() { <-free }()
			answer := s.askHas(ctx, ring.caches[a], tallies)
			mu.Lock()
			defer mu.Unlock()
			for i, held := range answer {
				if held == 1 {
					tallies[i].add(a)
				}
			}
		})
	}
	group.Wait()
}

func (t *tally) add(holder remora.Address) {
	t.holders = append(t.holders, holder)
	if slices.Index(t.order, holder) < t.rank {
		t.before++
	}
}

// askHas returns a byte per tally, 1 where the cache holds the entry, or nothing.
func (s *Service) askHas(ctx context.Context, c transfer.Cache, tallies []*tally) []byte {
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
