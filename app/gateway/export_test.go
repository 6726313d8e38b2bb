package gateway

import (
	"context"
	"net/http"
	"time"
)

// Limits that tests count on.
const (
	Budget      = budget
	IndexWait   = indexWait
	HuntTimeout = huntTimeout
	HedgeAfter  = hedgeAfter
)

// SetPatience changes how long clients may take nothing.
func (g *Gateway) SetPatience(d time.Duration) { g.patience = d }

// SetOfferWait changes how long a content that is being kept waits for what clients are served of it.
func (g *Gateway) SetOfferWait(d time.Duration) { g.source.offerWait = d }

// Occupy takes a part of the budget.
func (g *Gateway) Occupy(ctx context.Context, bytes int64) error { return g.memory.Acquire(ctx, bytes) }

// Vacate gives it back.
func (g *Gateway) Vacate(bytes int64) { g.memory.Release(bytes) }

// NewHurriedRelay returns a relay on which nobody waits for long.
func NewHurriedRelay(index Index, network Network) http.Handler {
	l := NewRelay(index, network, true).(*relay)
	l.wait = time.Millisecond
	return l
}
