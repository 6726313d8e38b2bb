package cache

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
)

const (
	// tidyApart is the number of rounds of the watch loop between two searches for surplus content.
	tidyApart = 15
	// surplusGrace is the time for which content must have been surplus before it is removed.
	surplusGrace = time.Hour
	// spareRanks is the number of ranks behind the assigned caches where content stays, in case one of them fails.
	spareRanks = 2
	// maxSurplus bounds the contents that are remembered as surplus. Others have to wait for their turn.
	maxSurplus = 1 << 14
)

// surplus remembers since when content held here has been surplus: not this cache's to hold.
type surplus struct {
	since map[remora.Hash]time.Time
	after remora.Hash // root of the last content checked; contents are checked in order of their roots
	pause int         // rounds until the next check
	now   func() time.Time
}

// tidySurplus checks the next contents held here, at most MaxRoots, and removes those that have been surplus for
// surplusGrace: content that is not registered, and content for which this cache ranks far behind and enough caches
// that rank before it have just answered that they hold it. Since the first ranks never remove, at least the wanted
// number of holders remains, whichever others remove.
func (s *Service) tidySurplus(ctx context.Context, ring *ring) error {
	if s.surplus.pause > 0 {
		s.surplus.pause--
		return nil
	}
	s.surplus.pause = tidyApart
	here := s.nextHeld()
	unregistered, far, err := s.sortHeld(ring, here)
	if err != nil {
		return err
	}
	s.surveyHolders(ctx, ring, far, (*tally).assignedCaches)
	s.surveyHolders(ctx, ring, shortTallies(far), (*tally).cachesBetween)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, t := range far {
		if t.isKept() {
			unregistered = append(unregistered, t.entry.Content.Root)
		}
	}
	return s.removeSurplus(here, unregistered)
}

// cachesBetween returns the caches that rank behind the assigned ones and before this one.
func (t *tally) cachesBetween() []remora.Address { return t.order[len(t.assignedCaches()):t.rank] }

// nextHeld returns the roots of the next contents to check.
func (s *Service) nextHeld() []remora.Hash {
	all := s.c.Store.List()
	begin, _ := slices.BinarySearchFunc(all, s.surplus.after, func(c remora.Content, after remora.Hash) int {
		if bytes.Compare(c.Root[:], after[:]) <= 0 {
			return -1
		}
		return 1
	})
	some := all[begin:min(begin+transfer.MaxRoots, len(all))]
	s.surplus.after = remora.Hash{}
	roots := make([]remora.Hash, len(some))
	for i, c := range some {
		roots[i] = c.Root
	}
	if begin+len(some) < len(all) {
		s.surplus.after = roots[len(roots)-1]
	}
	return roots
}

// sortHeld returns the roots that are not registered, and tallies of those for which this cache ranks far behind.
func (s *Service) sortHeld(ring *ring, roots []remora.Hash) (unregistered []remora.Hash, far []*tally, err error) {
	for _, root := range roots {
		entry, found, err := s.findEntry(root)
		if err != nil {
			return nil, nil, err
		}
		if !found {
			unregistered = append(unregistered, root)
			continue
		}
		if order, rank := ring.orderFor(root); rank >= int(entry.Replicas)+spareRanks {
			far = append(far, &tally{entry: entry, order: order, rank: rank})
		}
	}
	return unregistered, far, nil
}

// findEntry returns the chain's entry of a root; of a file's and a directory's entry, the one with more replicas.
func (s *Service) findEntry(root remora.Hash) (e remora.ContentEntry, found bool, err error) {
	for _, directory := range []bool{false, true} {
		one, registered, err := s.c.Chain.Content(root, directory)
		if err != nil {
			return e, false, err
		}
		if registered && (!found || one.Replicas > e.Replicas) {
			e, found = one, true
		}
	}
	return e, found, nil
}

// removeSurplus removes the unwanted contents that have been surplus for long enough, and forgets that the others were
// surplus.
func (s *Service) removeSurplus(here, unwanted []remora.Hash) error {
	was := map[remora.Hash]time.Time{}
	for _, root := range here {
		if since, known := s.surplus.since[root]; known {
			was[root] = since
			delete(s.surplus.since, root)
		}
	}
	now := s.surplus.now()
	var failures error
	for _, root := range unwanted {
		since, known := was[root]
		if !known {
			since = now
		}
		if now.Sub(since) < surplusGrace || s.c.Store.Pinned(root) || s.c.Needed(root) {
			if len(s.surplus.since) < maxSurplus {
				s.surplus.since[root] = since
			}
			continue
		}
		s.c.Logger.Info("removing content that other caches hold or that is not registered", slog.String("root", root.String()))
		failures = errors.Join(failures, s.c.Store.Remove(root))
	}
	return failures
}
