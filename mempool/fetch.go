package mempool

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/remora-network/remora"
)

// A parent in the rounds that are being certified is most likely on its way. It is requested only after a grace of half
// the duration of the last round, which measures how far apart the authorities are, within these bounds in ticks.
const (
	leastGrace = 2
	mostGrace  = 20
)

// fetcher tracks the requested certificates. Each is requested from one authority at a time. Each is a parent of a
// waiting header or of a suspended certificate, which bounds their number.
type fetcher struct {
	wants map[absence]*want
	next  int // no request is due before this tick
}

// absence names a missing certificate. The round is part of the key: a faulty header may name certificates of another
// round as its parents, and the requests on its behalf must not hide those that others need.
type absence struct {
	round remora.Round
	remora.Parent
}

type want struct {
	from remora.Authority
	due  int
}

// wantParents registers requests for the absent parents of a header or certificate, unless they are suspended or
// requested already. The child's author is asked first.
func (c *Core) wantParents(child *remora.Header, absent []remora.Parent) {
	for _, p := range absent {
		missing := absence{child.Round - 1, p}
		if _, asked := c.missing.wants[missing]; asked || c.Holds(missing.round, p) {
			continue
		}
		w := &want{from: child.Author, due: c.clock}
		if w.from == c.config.Self {
			w.from = c.peerAfter(w.from)
		}
		if missing.round == c.dag.quorum || missing.round == c.dag.quorum+1 {
			w.due += min(max(c.own.lasted/2, leastGrace), mostGrace)
		}
		c.missing.wants[missing] = w
		c.missing.next = min(c.missing.next, w.due)
	}
}

// peerAfter returns the authority after a, skipping this one unless it is alone.
func (c *Core) peerAfter(a remora.Authority) remora.Authority {
	n := remora.Authority(c.config.Committee.Size())
	a = (a + 1) % n
	if a == c.config.Self {
		a = (a + 1) % n
	}
	return a
}

// requestParents emits the requests that are due, one Want per authority and round, and drops those that no child needs
// any more.
func (c *Core) requestParents() {
	f := &c.missing
	if len(f.wants) == 0 || c.clock < f.next {
		return
	}
	var due []absence
	f.next = c.clock + c.config.Pace.Resend
	//remora:unordered due requests are sorted below, and a minimum has no order
	for p, w := range f.wants {
		if w.due <= c.clock {
			due = append(due, p)
			continue
		}
		f.next = min(f.next, w.due)
	}
	slices.SortFunc(due, func(a, b absence) int {
		return cmp.Or(cmp.Compare(f.wants[a].from, f.wants[b].from), cmp.Compare(a.round, b.round), cmp.Compare(a.Author, b.Author), bytes.Compare(a.Digest[:], b.Digest[:]))
	})
	var last *Want
	for _, p := range due {
		w := f.wants[p]
		if !c.isNeeded(p) {
			delete(f.wants, p)
			continue
		}
		if last == nil || last.From != w.from || last.Round != p.round {
			c.out.Want = append(c.out.Want, Want{From: w.from, Round: p.round})
			last = &c.out.Want[len(c.out.Want)-1]
		}
		last.Parents = append(last.Parents, p.Parent)
		w.from, w.due = c.peerAfter(w.from), c.clock+max(1, c.config.Pace.Resend/2)
		f.next = min(f.next, w.due)
	}
}

// isNeeded reports whether a waiting header or a suspended certificate names the absent parent.
func (c *Core) isNeeded(p absence) bool {
	for _, w := range c.peers.waiting {
		if w == nil || w.header.Round != p.round+1 {
			continue
		}
		if named, ok := findParent(w.header, p.Author); ok && named == p.Parent {
			return true
		}
	}
	for child := range c.dag.verticesAbove(p.round) {
		if named, ok := findParent(&child.certificate.Header, p.Author); ok && named == p.Parent && !child.isAccepted() {
			return true
		}
	}
	return false
}

// requestBatches requests the unconfirmed payload of a waiting header.
func (c *Core) requestBatches(w *waiting) {
	refs := make([]remora.BatchRef, 0, len(w.batches))
	for _, ref := range w.header.Payload {
		if _, open := w.batches[ref.Digest]; open {
			refs = append(refs, ref)
		}
	}
	c.out.Want = append(c.out.Want, Want{From: w.asked, Round: w.header.Round, Author: w.header.Author, Batches: refs})
	w.asked, w.due = c.peerAfter(w.asked), c.clock+c.config.Pace.Resend
}

// repeatBatchRequests repeats overdue requests for batches, each to the next authority.
func (c *Core) repeatBatchRequests() {
	for _, w := range c.peers.waiting {
		if w != nil && len(w.batches) > 0 && c.clock >= w.due {
			c.requestBatches(w)
		}
	}
}
