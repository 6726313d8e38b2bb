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
	// scrubRate is how many bytes a second are verified in the background: a small part of what a disk can read.
	scrubRate = 16 << 20
	// scrubEvery is how long two passes over all content are apart, from begin to begin.
	scrubEvery = 24 * time.Hour
)

// scrub verifies all content, again and again, until ctx ends.
func (s *Service) scrub(ctx context.Context) {
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

// scrubPass verifies one object after the other, at most so many bytes a second. It begins somewhere, so that a cache
// that is restarted often verifies all of them in time. The store drops what is damaged, and repair gets it again.
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
		case err != nil && !errors.Is(err, remora.ErrNotFound): // not removed meanwhile
			s.c.Logger.Error("content cannot be read; look after the disk", slog.String("root", c.Root.String()), slog.Any("reason", err))
		}
	}
}

// pacer takes bytes, so many a second, until its context ends.
type pacer struct {
	ctx   context.Context
	rate  float64 // bytes a second
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
