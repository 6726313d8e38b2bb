package p2p

import (
	"sync"
	"time"
)

// maxPaced bounds the sources that a pace remembers. Beyond it, one of them is forgotten: it starts with a full burst.
const maxPaced = 4096

// pace bounds how often each of many sources may do something: burst times at once, perSecond times a second in the long run.
type pace[K comparable] struct {
	perSecond, burst float64

	mu    sync.Mutex
	spent map[K]spending // of the sources that have not all of their burst; at most maxPaced
}

// spending is how much of its burst a source had used up at a time.
type spending struct {
	used float64
	at   time.Time
}

func newPace[K comparable](perSecond, burst int) *pace[K] {
	return &pace[K]{perSecond: float64(perSecond), burst: float64(burst), spent: make(map[K]spending)}
}

// spendOne counts one more by a source, which costs 1 or a part of it, and reports whether the source may.
func (p *pace[K]) spendOne(source K, cost float64, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	used := p.usedAt(p.spent[source], now)
	if used+cost > p.burst {
		return false
	}
	if _, known := p.spent[source]; !known && len(p.spent) >= maxPaced {
		p.forgetSources(now)
	}
	p.spent[source] = spending{used: used + cost, at: now}
	return true
}

// usedAt returns what is still used up of a burst.
func (p *pace[K]) usedAt(s spending, now time.Time) float64 {
	return max(0, s.used-p.perSecond*now.Sub(s.at).Seconds())
}

// forgetSources makes room for a source: it forgets those that have all of their burst again, and at least one.
func (p *pace[K]) forgetSources(now time.Time) {
	for source, s := range p.spent {
		if p.usedAt(s, now) == 0 {
			delete(p.spent, source)
		}
	}
	for source := range p.spent {
		if len(p.spent) < maxPaced {
			return
		}
		delete(p.spent, source)
	}
}
