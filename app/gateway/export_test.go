package gateway

import (
	"context"
	"net/http"
	"time"
)

// Limits on which tests depend.
const (
	Budget      = memoryBudget
	IndexWait   = indexWait
	HuntTimeout = huntTimeout
	HedgeAfter  = hedgeAfter
)

// SetPatience replaces writePatience.
func (g *Gateway) SetPatience(d time.Duration) { g.patience = d }

// SetOfferWait replaces offerWait.
func (g *Gateway) SetOfferWait(d time.Duration) { g.source.offerWait = d }

// Occupy reserves a part of the memory budget.
func (g *Gateway) Occupy(ctx context.Context, bytes int64) error { return g.memory.Acquire(ctx, bytes) }

// Vacate releases what Occupy reserved.
func (g *Gateway) Vacate(bytes int64) { g.memory.Release(bytes) }

// NewHurriedRelay returns a relay in which requests wait for a slot only a moment.
func NewHurriedRelay(chain Chain, network Network) http.Handler {
	l := NewRelay(chain, network, true).(*relay)
	l.wait = time.Millisecond
	return l
}
