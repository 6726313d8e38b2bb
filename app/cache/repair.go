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
	// repairEvery is how often a cache looks for assigned content that it does not hold.
	repairEvery = 2 * time.Second
	askTimeout  = 20 * time.Second
)

// repair fetches what is assigned to this cache and not here, a bounded number of entries at a time. Anybody can register
// content that nobody has or that is too large for this cache: the next repair passes over what this one could not get,
// so that such entries delay the others and never hide them.
func (s *Service) repair(ctx context.Context) error {
	ring, err := s.ring()
	if err != nil {
		return err
	}
	missing, more, err := s.missing(ring)
	if err != nil {
		return err
	}
	for _, e := range missing {
		order, _ := ring.order(e.Content.Root)
		err := s.pull(ctx, e.Content, ring.others(order))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, store.ErrNoSpace):
			return err
		case err != nil:
			s.skip++
			s.c.Logger.Debug("assigned content is not to be had yet", slog.String("root", e.Content.Root.String()), slog.Any("reason", err))
		}
	}
	if !more {
		s.skip = 0
	}
	return nil
}

// missing returns the next entries to fetch, and whether others follow them.
func (s *Service) missing(ring *ring) (missing []remora.ContentEntry, more bool, err error) {
	passed := 0
	err = s.c.Chain.AllContent(func(e remora.ContentEntry) bool {
		if _, held := s.c.Store.Length(e.Content.Root); held || !s.ranks.assigned(ring, e) {
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

// pull receives content from the first of some caches that have it, piece by piece, each verified. What one began
// another finishes.
func (s *Service) pull(ctx context.Context, c remora.Content, sources []transfer.Cache) error {
	p, err := s.c.Store.Receive(c)
	if err != nil {
		return err
	}
	failures := fmt.Errorf("content %s: %w at every other cache", c.Root, remora.ErrNotFound)
	for _, from := range sources {
		err := s.take(ctx, p, c, from)
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

// take receives the rest of a content from one cache.
func (s *Service) take(ctx context.Context, p *store.Partial, c remora.Content, from transfer.Cache) error {
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
