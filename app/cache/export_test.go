package cache

import (
	"context"
	"errors"
	"time"
)

// Limits on which tests depend.
const (
	Patience  = missesBeforeStandIn
	Grace     = surplusGrace
	Reserve   = spareRanks
	HeadStart = headStart
)

// Repair is one round of the repair loop.
func (s *Service) Repair(ctx context.Context) error { return s.repairAssigned(ctx) }

// Look is one round of the watch loop.
func (s *Service) Look(ctx context.Context) error { return s.checkOthers(ctx) }

// Tidy checks for surplus content without waiting for its round.
func (s *Service) Tidy(ctx context.Context) error {
	s.surplus.pause = 0
	ring, err := s.readRing()
	if err != nil || !ring.isRegistered() {
		return err
	}
	return errors.Join(s.tidySurplus(ctx, ring), ctx.Err())
}

// ScrubPass verifies everything once.
func (s *Service) ScrubPass(ctx context.Context, rate float64) { s.scrubPass(ctx, rate) }

// SetClock sets the clock of surplus content.
func (s *Service) SetClock(now func() time.Time) { s.surplus.now = now }

// SetUploadPatience replaces uploadPatience.
func (s *Service) SetUploadPatience(d time.Duration) { s.patience = d }
