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
)

const (
	// scrubRate is the number of bytes verified per second, a small part of a disk's throughput.
	scrubRate = 16 << 20
	// scrubEvery is the time from the begin of one pass over all content to the begin of the next.
	scrubEvery = 24 * time.Hour
)

// scrubDaily verifies all content every scrubEvery until ctx ends.
func (s *Service) scrubDaily(ctx context.Context) {
	for {
		next := time.NewTimer(scrubEvery)
		s.scrubPass(ctx, scrubRate)
		select {
		case <-ctx.Done():
			next.Stop()
			return
		case <-next.C:
		}
	}
}

// scrubPass verifies one object after another, at most rate bytes per second. It begins at a random object, so that a
// cache that is restarted often verifies all of them eventually. The store removes damaged objects, and repair fetches
// them again.
func (s *Service) scrubPass(ctx context.Context, rate float64) {
	all := s.c.Store.List()
	if len(all) == 0 {
		return
	}
	begin := rand.IntN(len(all))
	pace := &pacer{ctx: ctx, rate: rate, began: time.Now()}
	for _, c := range slices.Concat(all[begin:], all[:begin]) {
		err := s.c.Store.Verify(c.Root, pace)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, store.ErrDamaged):
			s.c.Logger.Error("content is damaged on disk; fetching it again", slog.String("root", c.Root.String()), slog.Any("reason", err))
		case err != nil && !errors.Is(err, remora.ErrNotFound): // ErrNotFound: removed meanwhile
			s.c.Logger.Error("content cannot be read; check the disk", slog.String("root", c.Root.String()), slog.Any("reason", err))
		}
	}
}

// pacer accepts bytes at a rate until its context ends.
type pacer struct {
	ctx   context.Context
	rate  float64 // bytes per second
	began time.Time
	taken float64 // bytes
}

// Write implements io.Writer.
func (p *pacer) Write(b []byte) (int, error) {
	p.taken += float64(len(b))
	ahead := time.Duration(p.taken/p.rate*float64(time.Second)) - time.Since(p.began)
	if ahead < 10*time.Millisecond { // not worth a timer
		return len(b), p.ctx.Err()
	}
	wait := time.NewTimer(ahead)
	defer wait.Stop()
	select {
	case <-p.ctx.Done():
		return 0, p.ctx.Err()
	case <-wait.C:
		return len(b), nil
	}
}
