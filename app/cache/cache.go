// Package cache is a cache node's service: it holds the content that the chain assigns to it, takes uploads, and serves
// verified streams to gateways and other caches.
package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// Chain is what a cache reads of the state.
type Chain interface {
	// Content returns the index's entry of content, and whether there is one.
	Content(root remora.Hash, directory bool) (remora.ContentEntry, bool, error)
	// AllContent visits every entry until visit returns false.
	AllContent(visit func(remora.ContentEntry) bool) error
	// Caches returns the registered caches.
	Caches() ([]transfer.Cache, error)
	// WaitBlock returns after the next block.
	WaitBlock(ctx context.Context) error
}

// Network asks other nodes.
type Network interface {
	Ask(ctx context.Context, cache transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error)
}

// Config is what a Service needs.
type Config struct {
	Self    remora.Address
	Store   *store.Store
	Chain   Chain
	Network Network
	Logger  *slog.Logger
}

// Service is the cache. Its handlers work as soon as it is built; Run keeps the assigned content.
type Service struct {
	c    Config
	skip int // missing entries that the next repair passes over; Run's own
}

// New returns a service. It starts nothing.
func New(c Config) *Service { return &Service{c: c} }

// Handlers returns what answers other nodes, by request protocol.
func (s *Service) Handlers() map[string]func(ctx context.Context, peer string, request []byte) ([]byte, error) {
	return map[string]func(ctx context.Context, peer string, request []byte) ([]byte, error){
		transfer.AskContent: s.Content,
		transfer.AskHas:     s.Has,
	}
}

const (
	// repairEvery is how often a cache looks for assigned content that it does not hold, while blocks come.
	repairEvery = 2 * time.Second
	askTimeout  = 20 * time.Second
)

// Content answers a ContentRequest with the verified stream.
func (s *Service) Content(_ context.Context, _ string, request []byte) ([]byte, error) {
	r, err := transfer.DecodeContentRequest(request)
	if err != nil {
		return nil, err
	}
	if length, held := s.c.Store.Length(r.Root); !held || length != r.Length {
		return nil, fmt.Errorf("content %s of %d bytes: %w", r.Root, r.Length, remora.ErrNotFound)
	}
	size, err := content.StreamSize(r.Length, r.Range())
	if err != nil {
		return nil, err
	}
	answer := bytes.NewBuffer(make([]byte, 0, size))
	err = s.c.Store.Stream(answer, r.Root, r.Range())
	if errors.Is(err, store.ErrDamaged) {
		s.c.Logger.Error("content is damaged on disk; fetching it again", slog.String("root", r.Root.String()), slog.Any("reason", err))
	}
	return answer.Bytes(), err
}

// Has answers a HasRequest.
func (s *Service) Has(_ context.Context, _ string, request []byte) ([]byte, error) {
	r, err := transfer.DecodeHasRequest(request)
	if err != nil {
		return nil, err
	}
	answer := make([]byte, len(r.Roots))
	for i, root := range r.Roots {
		if _, held := s.c.Store.Length(root); held {
			answer[i] = 1
		}
	}
	return answer, nil
}

// Run pulls assigned content from other caches until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		began := time.Now()
		if err := s.repair(ctx); err != nil && ctx.Err() == nil {
			s.c.Logger.Warn("could not look after the assigned content", slog.Any("reason", err))
		}
		for time.Since(began) < repairEvery {
			if err := s.c.Chain.WaitBlock(ctx); err != nil {
				return nil //nolint:nilerr // only the context ends it
			}
		}
	}
	return nil
}

// repair fetches what is assigned to this cache and not here, a bounded number of entries at a time. Anybody can register
// content that nobody has or that is too large for this cache: the next repair passes over what this one could not get,
// so that such entries delay the others and never hide them.
func (s *Service) repair(ctx context.Context) error {
	caches, err := s.c.Chain.Caches()
	if err != nil {
		return err
	}
	missing, more, err := s.missing(caches)
	if err != nil {
		return err
	}
	for _, e := range missing {
		err := s.pull(ctx, e.Content, caches)
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
func (s *Service) missing(caches []transfer.Cache) (missing []remora.ContentEntry, more bool, err error) {
	passed := 0
	err = s.c.Chain.AllContent(func(e remora.ContentEntry) bool {
		if _, held := s.c.Store.Length(e.Content.Root); held || !s.assigned(e, caches) {
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

// assigned reports whether the chain wants this cache to hold an entry.
func (s *Service) assigned(e remora.ContentEntry, caches []transfer.Cache) bool {
	addresses := make([]remora.Address, len(caches))
	for i, c := range caches {
		addresses[i] = c.Address
	}
	return slices.Contains(remora.Assign(e.Content.Root, addresses, int(e.Replicas)), s.c.Self)
}

// pull receives content from the caches that have it, piece by piece, each verified. What one began another finishes.
func (s *Service) pull(ctx context.Context, c remora.Content, caches []transfer.Cache) error {
	p, err := s.c.Store.Receive(c)
	if err != nil {
		return err
	}
	failures := fmt.Errorf("content %s: %w at every other cache", c.Root, remora.ErrNotFound)
	for _, from := range caches {
		if from.Address == s.c.Self {
			continue
		}
		err := s.take(ctx, p, c, from)
		if err == nil {
			return p.Commit()
		}
		failures = errors.Join(failures, fmt.Errorf("%s: %w", from.Name, err))
		if ctx.Err() != nil {
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
