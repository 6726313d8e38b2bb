package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
)

const (
	// repairEvery is the shortest time between two searches for assigned content that is missing.
	repairEvery = 2 * time.Second
	askTimeout  = 20 * time.Second
)

// repairAssigned fetches assigned content that is missing, a bounded number of entries at a time. Anybody can register
// content that no cache has or that is too large for this one: the next repair passes over the entries that this one
// could not fetch, so that they delay the others but do not block them.
func (s *Service) repairAssigned(ctx context.Context) error {
	ring, err := s.readRing()
	if err != nil {
		return err
	}
	missing, more, err := s.missingEntries(ring)
	if err != nil {
		return err
	}
	for _, e := range missing {
		order, _ := ring.orderFor(e.Content.Root)
		err := s.pullContent(ctx, e.Content, ring.otherCaches(order))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, store.ErrNoSpace):
			return err
		case err != nil:
			s.skip++
			s.c.Logger.Debug("assigned content is not available yet", slog.String("root", e.Content.Root.String()), slog.Any("reason", err))
		}
	}
	if !more {
		s.skip = 0
	}
	return nil
}

// missingEntries returns the next entries to fetch, and whether others follow them.
func (s *Service) missingEntries(ring *ring) (missing []remora.ContentEntry, more bool, err error) {
	passed := 0
	err = s.c.Chain.AllContent(func(e remora.ContentEntry) bool {
		if _, held := s.c.Store.Length(e.Content.Root); held || !s.ranks.isAssigned(ring, e) {
			return true
		}
		if passed < s.skip {
			passed++
			return true
		}
		if more = len(missing) == transfer.MaxRoots; !more {
			missing = append(missing, e)
		}
		return !more
	})
	return missing, more, err
}

// pullContent receives content from the first of some caches that has it, verified piece by piece. A later cache
// continues where an earlier one failed.
func (s *Service) pullContent(ctx context.Context, c remora.Content, sources []transfer.Cache) error {
	p, err := s.c.Store.Receive(c)
	if err != nil {
		return err
	}
	failures := fmt.Errorf("content %s: %w at any other cache", c.Root, remora.ErrNotFound)
	for _, from := range sources {
		err := s.receiveFrom(ctx, p, c, from)
		if err == nil {
			return p.Commit()
		}
		failures = errors.Join(failures, fmt.Errorf("%s: %w", from.Name, err))
		if ctx.Err() != nil || errors.Is(err, store.ErrNoSpace) {
			break
		}
	}
	return errors.Join(failures, p.Leave())
}

// receiveFrom receives the rest of a content from one cache.
func (s *Service) receiveFrom(ctx context.Context, p *store.Partial, c remora.Content, from transfer.Cache) error {
	for {
		rest := min(transfer.MaxRange, c.Length-p.Have())
		if rest == 0 && c.Length > 0 {
			return nil
		}
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		request := remora.Encode(transfer.ContentRequest{Root: c.Root, Length: c.Length, Offset: p.Have(), Bytes: rest})
		answer, err := s.c.Network.Ask(asking, from, transfer.AskContent, request, transfer.MaxAnswer)
		cancel()
		if err != nil {
			return err
		}
		if err := p.Take(bytes.NewReader(answer), rest); err != nil {
			return err
		}
		if c.Length == 0 {
			return nil
		}
	}
}
