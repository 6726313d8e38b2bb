package gateway

import (
	"context"
	"net/http"
	"time"
)

// Limits on which tests depend.
const (
	IndexWait   = indexWait
	HuntTimeout = huntTimeout
	HedgeAfter  = hedgeAfter
)

// SetPatience replaces writePatience.
func (g *Gateway) SetPatience(d time.Duration) { g.patience = d }

// SetOfferWait replaces offerWait.
func (g *Gateway) SetOfferWait(d time.Duration) { g.source.offerWait = d }

// Occupy reserves as much of the memory budget as an address may have, and reports whether it was free.
func (g *Gateway) Occupy(ctx context.Context, owner string) bool {
	return g.memory.EnterQueue(ctx, owner, memoryBudget/2)
}

// Vacate releases what Occupy reserved.
func (g *Gateway) Vacate(owner string) { g.memory.LeaveQueue(owner, memoryBudget/2) }

// NewHurriedRelay returns a relay in which requests wait for a slot only a moment.
func NewHurriedRelay(chain Chain, network Network) http.Handler {
	l := NewRelay(chain, network, true, nil).(*relay)
	l.wait = time.Millisecond
	return l
}
