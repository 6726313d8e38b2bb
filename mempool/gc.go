package mempool

import "github.com/remora-network/remora"

// applyOrdered takes what consensus committed: own payload is accounted for, what was passed over is proposed again, and the
// rounds that no later leader can order are forgotten.
func (c *Core) applyOrdered(subDAGs []remora.SubDAG) {
	for i := range subDAGs {
		if len(subDAGs[i].Headers) == 0 {
			continue
		}
		for _, h := range subDAGs[i].Headers {
			c.dag.markOrdered(h)
			c.foreign.forgetOrdered(h)
			if h.Author == c.config.Self || c.own.queuesBatchOf(h) {
				c.own.forgetPayload(h)
			}
		}
		c.committed = max(c.committed, subDAGs[i].Leader().Round)
	}
	c.requeuePassedOver()
	if gc := gcHorizon(c.committed, c.config.GCDepth); gc > c.dag.gc {
		c.collectGarbage(gc)
	}
}

// requeuePassedOver lines up the payload of own headers that were passed over: by leaders two rounds above, or by so many rounds
// that only a leader that should have been committed by now could still order them. Without the latter, leaders that are
// further apart than GC reaches would pass over the same payload again and again. The newest goes first, so that the
// oldest ends up in front.
func (c *Core) requeuePassedOver() {
	flight := c.own.flight
	for i := len(flight) - 1; i >= 0; i-- {
		if h := flight[i]; h.Round+2 < c.committed || h.Round+c.config.GCDepth <= c.Round() {
			c.requeuePayload(h)
			if c.votes.header == h {
				c.votes.header = nil // too old to be worth a certificate
			}
		}
	}
}

// collectGarbage forgets the rounds up to gc: certificates, waiting headers, requests. Certificates that were suspended just
// above it are accepted, since nobody can have their parents ordered any more.
func (c *Core) collectGarbage(gc remora.Round) {
	accepted := c.dag.forgetRounds(gc)
	for a, w := range c.peers.waiting {
		if w != nil && w.header.Round <= gc+1 {
			c.dismissWaiting(remora.Authority(a))
		}
	}
	//remora:unordered each entry is judged and dropped by itself
	for p := range c.missing.wants {
		if p.round <= gc {
			delete(c.missing.wants, p)
		}
	}
	c.deliverAccepted(accepted)
}
