package cache

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
)

const (
	// watchEvery is how long two checks of an entry that too few caches hold are apart.
	watchEvery = 2 * time.Second
	// patience is how many checks in a row must miss holders before this cache stands in: restarts are shorter.
	patience = 3
	// standIns is how many caches behind the assigned ones look after an entry, the nearest first.
	standIns = 8
	// headStart is how many bytes a cache is taken to fetch between two checks: those that rank behind it wait for it.
	headStart = 64 << 20
	// maxHeadStart bounds that wait, in checks for each place.
	maxHeadStart = 128
	// freshApart is how many checks lie between two looks at further entries, and again as many at random at most, so
	// that caches that start together do not ask together.
	freshApart = 5
	// maxScan bounds the entries of the index that one look goes through.
	maxScan = 16 * transfer.MaxRoots
)

// watch is what a cache knows, from check to check, of the entries that rank it just behind the assigned caches. All
// entries get their turn, MaxRoots at a time; those that turn out to be short stay, also MaxRoots at most, until they
// are held by enough caches or by this one.
type watch struct {
	short  map[remora.Hash]*shortage
	passed int // entries of the index that this pass has been through
	pause  int // checks until the next look at further entries
}

// shortage is an entry that too few caches hold.
type shortage struct {
	entry  remora.ContentEntry
	missed int // checks in a row
}

// look is one round of the watch loop: it stands in for others, and removes what others hold.
func (s *Service) look(ctx context.Context) error {
	ring, err := s.ring()
	if err != nil || !ring.registered() {
		return err
	}
	return errors.Join(s.standIn(ctx, ring), s.tidy(ctx, ring))
}

// standIn checks the entries that are watched and, now and then, further ones, and pulls what has been missing elsewhere
// for long enough.
func (s *Service) standIn(ctx context.Context, ring *ring) error {
	tallies, err := s.candidates(ring)
	if err != nil {
		return err
	}
	s.survey(ctx, ring, tallies, (*tally).assigned)
	s.survey(ctx, ring, short(tallies), (*tally).behind)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, t := range tallies {
		if !s.watch.note(t) {
			continue
		}
		root := t.entry.Content.Root
		delete(s.watch.short, root) // whatever comes of it: its turn comes again
		err := s.pull(ctx, t.entry.Content, ring.others(t.holders))
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

// short returns the tallies that miss holders.
func short(tallies []*tally) []*tally {
	var found []*tally
	for _, t := range tallies {
		if !t.kept() {
			found = append(found, t)
		}
	}
	return found
}

// note counts what a check found, and reports whether it is this cache's turn to hold the entry. What nobody holds is
// not to be had, so that it does not take the place of what is.
func (w *watch) note(t *tally) (turn bool) {
	root := t.entry.Content.Root
	if t.kept() || len(t.holders) == 0 {
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
	return known.missed >= patience+(t.rank-int(t.entry.Replicas))*int(wait)
}

// candidates returns what to check this time.
func (s *Service) candidates(ring *ring) ([]*tally, error) {
	var found []*tally
	for root, known := range s.watch.short {
		t, ok := s.candidate(ring, known.entry)
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
	fresh, err := s.fresh(ring)
	return append(found, fresh...), err
}

// fresh returns the next entries of the index that are not watched yet.
func (s *Service) fresh(ring *ring) ([]*tally, error) {
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
			if t, ok := s.candidate(ring, e); ok {
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

// candidate returns an entry to look after: this cache does not hold it and ranks behind the assigned ones, not far.
func (s *Service) candidate(ring *ring, e remora.ContentEntry) (*tally, bool) {
	if _, held := s.c.Store.Length(e.Content.Root); held {
		return nil, false
	}
	order, rank := ring.order(e.Content.Root)
	behind := rank - int(e.Replicas)
	return &tally{entry: e, order: order, rank: rank}, behind >= 0 && behind < standIns
}
