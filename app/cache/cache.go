package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// Chain reads the state.
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

// Network sends requests to other nodes.
type Network interface {
	Ask(ctx context.Context, cache transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error)
}

// Config configures a Service.
type Config struct {
	Self    remora.Address
	Store   *store.Store
	Chain   Chain
	Network Network
	Logger  *slog.Logger
	// Needed reports content that must stay although the chain assigns it elsewhere, such as content of unclaimed
	// receipts. nil means no content. One goroutine calls it, for content that is about to be removed.
	Needed func(root remora.Hash) bool
}

// Service is the cache. Its handlers work as soon as it is built; Run maintains the content.
type Service struct {
	c        Config
	patience time.Duration // see uploadPatience
	skip     int           // missing entries that the next repair passes over; owned by the repair loop
	ranks    ranks         // owned by the repair loop
	watch    watch         // owned by the watch loop
	surplus  surplus       // owned by the watch loop
}

// New returns a service without starting anything.
func New(c Config) *Service {
	if c.Needed == nil {
		c.Needed = func(remora.Hash) bool { return false }
	}
	return &Service{
		c: c, patience: uploadPatience,
		watch:   watch{short: map[remora.Hash]*shortage{}},
		surplus: surplus{since: map[remora.Hash]time.Time{}, now: time.Now},
	}
}

// Handlers returns the handlers of other nodes' requests by protocol.
func (s *Service) Handlers() map[string]func(ctx context.Context, peer string, request []byte) ([]byte, error) {
	return map[string]func(ctx context.Context, peer string, request []byte) ([]byte, error){
		transfer.AskContent: s.Content,
		transfer.AskHas:     s.Has,
	}
}

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

// Run maintains the content until ctx ends: it pulls assigned content, stands in for caches that fail, removes content
// that other caches hold, and verifies the content on disk.
func (s *Service) Run(ctx context.Context) error {
	var group sync.WaitGroup
	group.Go(func() { s.repeatTask(ctx, repairEvery, "fetch the assigned content", s.repairAssigned) })
	group.Go(func() { s.repeatTask(ctx, watchEvery, "check the content of other caches", s.checkOthers) })
	group.Go(func() { s.scrubDaily(ctx) })
	group.Wait()
	return nil
}

// repeatTask calls do repeatedly, with its begins at least apart and only while blocks arrive. A repeated failure is
// logged once.
func (s *Service) repeatTask(ctx context.Context, apart time.Duration, what string, do func(context.Context) error) {
	lastFailure := ""
	for ctx.Err() == nil {
		began := time.Now()
		err := do(ctx)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err == nil:
			lastFailure = ""
		case err.Error() != lastFailure:
			lastFailure = err.Error()
			s.c.Logger.Warn("could not "+what, slog.Any("reason", err))
		}
		for time.Since(began) < apart {
			if s.c.Chain.WaitBlock(ctx) != nil {
				return
			}
		}
	}
}
