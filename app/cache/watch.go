package cache

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
)

const (
	// watchEvery is the shortest time between two checks of an entry that too few caches hold.
	watchEvery = 2 * time.Second
	// missesBeforeStandIn is the number of consecutive checks that must miss holders before this cache stands in. A
	// restart takes less time.
	missesBeforeStandIn = 3
	// maxStandIns is the number of caches behind the assigned ones that watch an entry, the nearest first.
	maxStandIns = 8
	// headStart is the number of bytes that a cache is assumed to fetch between two checks; those that rank behind it
	// wait for it.
	headStart = 64 << 20
	// maxHeadStart bounds that wait, in checks per rank.
	maxHeadStart = 128
	// freshApart is the number of checks between two looks at further entries, plus a random number below it, so that
	// caches that start together do not ask together.
	freshApart = 5
	// maxScan bounds the entries of the index that one look visits.
	maxScan = 16 * transfer.MaxRoots
)

// watch remembers, from check to check, the entries for which this cache ranks just behind the assigned caches. All
// entries are checked in turn, MaxRoots at a time. Entries that miss holders stay, at most MaxRoots, until enough
// caches or this one hold them.
type watch struct {
	short  map[remora.Hash]*shortage
	passed int // entries of the index that this pass has visited
	pause  int // checks until the next look at further entries
}

// shortage is an entry that too few caches hold.
type shortage struct {
	entry  remora.ContentEntry
	missed int // checks in a row
}

// checkOthers is one round of the watch loop: it stands in for other caches, and removes content that they hold.
func (s *Service) checkOthers(ctx context.Context) error {
	ring, err := s.readRing()
	if err != nil || !ring.isRegistered() {
		return err
	}
	return errors.Join(s.standInForOthers(ctx, ring), s.tidySurplus(ctx, ring))
}

// standInForOthers checks the watched entries and, from time to time, further ones, and pulls content that has missed
// holders for long enough.
func (s *Service) standInForOthers(ctx context.Context, ring *ring) error {
	tallies, err := s.nextCandidates(ring)
	if err != nil {
		return err
	}
	s.surveyHolders(ctx, ring, tallies, (*tally).assignedCaches)
	s.surveyHolders(ctx, ring, shortTallies(tallies), (*tally).cachesBehind)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, t := range tallies {
		if !s.watch.noteCheck(t) {
			continue
		}
		root := t.entry.Content.Root
		delete(s.watch.short, root) // if it fails, the entry will be found short again
		err := s.pullContent(ctx, t.entry.Content, ring.otherCaches(t.holders))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, store.ErrNoSpace):
			return err
		case err != nil:
			s.c.Logger.Debug("could not stand in", slog.String("root", root.String()), slog.Any("reason", err))
		default:
			s.c.Logger.Info("standing in for caches that do not hold content", slog.String("root", root.String()), slog.Int("holders", len(t.holders)))
		}
	}
	return nil
}

// shortTallies returns the tallies that miss holders.
func shortTallies(tallies []*tally) []*tally {
	return slices.DeleteFunc(slices.Clone(tallies), (*tally).isKept)
}

// noteCheck counts the outcome of a check, and reports whether this cache should now hold the entry. Entries that no
// cache holds are forgotten: they cannot be fetched and must not take the place of others.
func (w *watch) noteCheck(t *tally) (turn bool) {
	root := t.entry.Content.Root
	if t.isKept() || len(t.holders) == 0 {
		delete(w.short, root)
		return false
	}
	known, watched := w.short[root]
	if !watched {
		if len(w.short) == transfer.MaxRoots {
			return false
		}
		known = &shortage{entry: t.entry}
		w.short[root] = known
	}
	known.missed++
	wait := min(1+t.entry.Content.Length/headStart, maxHeadStart)
	return known.missed >= missesBeforeStandIn+(t.rank-int(t.entry.Replicas))*int(wait)
}

// nextCandidates returns the entries to check in this round.
func (s *Service) nextCandidates(ring *ring) ([]*tally, error) {
	var found []*tally
	for root, known := range s.watch.short {
		t, ok := s.candidateFor(ring, known.entry)
		if !ok {
			delete(s.watch.short, root)
			continue
		}
		found = append(found, t)
	}
	if s.watch.pause > 0 {
		s.watch.pause--
		return found, nil
	}
	s.watch.pause = freshApart + rand.IntN(freshApart)
	fresh, err := s.freshCandidates(ring)
	return append(found, fresh...), err
}

// freshCandidates returns the next entries of the index that are not watched yet.
func (s *Service) freshCandidates(ring *ring) ([]*tally, error) {
	var found []*tally
	at, begin, full := 0, s.watch.passed, false
	err := s.c.Chain.AllContent(func(e remora.ContentEntry) bool {
		if at++; at <= begin {
			return true
		}
		if full = len(found) == transfer.MaxRoots || at > begin+maxScan; full {
			return false
		}
		s.watch.passed = at
		if _, watched := s.watch.short[e.Content.Root]; !watched {
			if t, ok := s.candidateFor(ring, e); ok {
				found = append(found, t)
			}
		}
		return true
	})
	if !full {
		s.watch.passed = 0
	}
	return found, err
}

// candidateFor returns a tally for an entry to watch: this cache does not hold it and ranks shortly behind the assigned
// ones.
func (s *Service) candidateFor(ring *ring, e remora.ContentEntry) (*tally, bool) {
	if _, held := s.c.Store.Length(e.Content.Root); held {
		return nil, false
	}
	order, rank := ring.orderFor(e.Content.Root)
	behind := rank - int(e.Replicas)
	return &tally{entry: e, order: order, rank: rank}, behind >= 0 && behind < maxStandIns
}
