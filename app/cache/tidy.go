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
	// tidyApart is how many checks of the watch loop lie between two looks at what is here.
	tidyApart = 15
	// grace is how long content must have been surplus before it is removed.
	grace = time.Hour
	// reserve is how many places behind the assigned caches content stays where it is, for when one of them fails.
	reserve = 2
	// maxSurplus bounds the contents that are remembered as surplus. Others have to wait for their turn.
	maxSurplus = 1 << 14
)

// surplus is the content here that is not this cache's to hold, since when.
type surplus struct {
	since map[remora.Hash]time.Time
	after remora.Hash // the last that was looked at; they are taken in the order of their roots
	pause int         // checks until the next look
	now   func() time.Time
}

// tidy looks at the next contents here, MaxRoots at most, and removes those that have been surplus for the grace: not
// registered, or this cache ranks far behind and enough caches that rank before it answered, just now, that they hold
// it. Those that rank first never remove, so that whoever else does leaves as many holders as the chain wants.
func (s *Service) tidy(ctx context.Context, ring *ring) error {
	if s.surplus.pause > 0 {
		s.surplus.pause--
		return nil
	}
	s.surplus.pause = tidyApart
	here := s.here()
	unregistered, far, err := s.sort(ring, here)
	if err != nil {
		return err
	}
	s.survey(ctx, ring, far, (*tally).assigned)
	s.survey(ctx, ring, short(far), (*tally).between)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, t := range far {
		if t.kept() {
			unregistered = append(unregistered, t.entry.Content.Root)
		}
	}
	return s.drop(here, unregistered)
}

// between returns who ranks behind the assigned caches and before this one.
func (t *tally) between() []remora.Address { return t.order[len(t.assigned()):t.rank] }

// here returns the next contents to look at.
func (s *Service) here() []remora.Hash {
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

// sort finds what is not registered and what ranks this cache far behind.
func (s *Service) sort(ring *ring, roots []remora.Hash) (unregistered []remora.Hash, far []*tally, err error) {
	for _, root := range roots {
		entry, found, err := s.entry(root)
		if err != nil {
			return nil, nil, err
		}
		if !found {
			unregistered = append(unregistered, root)
			continue
		}
		if order, rank := ring.order(root); rank >= int(entry.Replicas)+reserve {
			far = append(far, &tally{entry: entry, order: order, rank: rank})
		}
	}
	return unregistered, far, nil
}

// entry returns the chain's entry of a root, that of the file or of the directory, whichever wants more replicas.
func (s *Service) entry(root remora.Hash) (e remora.ContentEntry, found bool, err error) {
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

// drop removes those of the contents looked at that have been surplus for long enough, and forgets that the others were.
func (s *Service) drop(here, unwanted []remora.Hash) error {
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
		if now.Sub(since) < grace || s.c.Store.Pinned(root) || s.c.Needed(root) {
			if len(s.surplus.since) < maxSurplus {
				s.surplus.since[root] = since
			}
			continue
		}
		s.c.Logger.Info("removing content that is not this cache's any more", slog.String("root", root.String()))
		failures = errors.Join(failures, s.c.Store.Remove(root))
	}
	return failures
}
