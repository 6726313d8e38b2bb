package cache

import (
	"context"
	"errors"
	"time"
)

// Limits that tests count on.
const (
	Patience  = patience
	Grace     = grace
	Reserve   = reserve
	HeadStart = headStart
)

// Repair is one round of what Run repeats.
func (s *Service) Repair(ctx context.Context) error { return s.repair(ctx) }

// Look is another.
func (s *Service) Look(ctx context.Context) error { return s.look(ctx) }

// Tidy looks at what is here at once.
func (s *Service) Tidy(ctx context.Context) error {
	s.surplus.pause = 0
	ring, err := s.ring()
	if err != nil || !ring.registered() {
		return err
	}
	return errors.Join(s.tidy(ctx, ring), ctx.Err())
}

// ScrubPass verifies everything once.
func (s *Service) ScrubPass(ctx context.Context, rate float64) { s.scrubPass(ctx, rate) }

// SetClock says what time it is for surplus content.
func (s *Service) SetClock(now func() time.Time) { s.surplus.now = now }

// SetUploadPatience changes how long uploads may bring nothing.
func (s *Service) SetUploadPatience(d time.Duration) { s.patience = d }
