package mempool

import "github.com/remora-network/remora"

// applyOrdered applies committed sub-DAGs: it drops own payload that they order, requeues own payload that they
// passed over, and collects the rounds that no later leader can order.
func (c *Core) applyOrdered(subDAGs []remora.SubDAG) {
	for i := range subDAGs {
		if len(subDAGs[i].Headers) == 0 {
			continue
		}
		for _, h := range subDAGs[i].Headers {
			c.dag.markOrdered(h)
			for _, ref := range h.Payload {
				c.foreign.forgetBatch(ref)
			}
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

// requeuePassedOver requeues the payload of own headers that are unlikely to be ordered: a leader more than two rounds
// above was committed without them, or they are at least GCDepth rounds old. Without the second case, leaders further
// apart than GCDepth would pass over the same payload forever. It iterates newest first, so that the oldest payload ends
// up first in the queue.
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

// collectGarbage drops the certificates, waiting headers and requests of the rounds up to gc. Certificates suspended just
// above it are accepted, since no leader can order their parents any more.
func (c *Core) collectGarbage(gc remora.Round) {
	accepted := c.dag.forgetRounds(gc)
	c.foreign.collectAdopted(gc)
	for a, w := range c.peers.waiting {
		if w != nil && w.header.Round <= gc+1 {
			c.dismissWaiting(remora.Authority(a))
		}
	}
	//remora:unordered each entry is judged and dropped independently
	for p := range c.missing.wants {
		if p.round <= gc {
			delete(c.missing.wants, p)
		}
	}
	c.deliverAccepted(accepted)
}
