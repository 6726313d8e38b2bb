// Package limits shares what a node has among those who take it, and remembers who took too much.
//
// # Usage
//
// A node has one [Hits]. Whoever refuses or cuts somebody off because of a limit says so, once for each refusal:
//
//	hits.RecordHit("rpc connections", address)
//
// The limit is a constant of the code, two or three words; who is a peer's name, an account or an address ([OwnerOf] names
// the addresses that count as one). The log, the metrics and the documents of status and health follow from it: a warning
// at the first hit of a spell, remora_limit_hits_total by limit and name, and what was hit lately in the field limits.
// A nil *Hits records nothing, so that a part may do without.
//
// [Slots] hands out places, or bytes, of which no owner may have more than its part.
//
// # Promises
//
// All of it is bounded whatever the names are: at most 256 pairs of limit and name are remembered, those beyond them count
// together as [Others]; the log has at most one line a second. A spell is over when there was no hit for five seconds.
// The clock is the caller's. All methods may be called from any goroutine.
package limits

import (
	"cmp"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxPairs bounds the pairs of limit and name that are remembered.
	maxPairs = 256
	// maxName bounds a name in bytes; the rest is cut off.
	maxName = 128
	// quiet is the time without a hit after which a spell is over.
	quiet = 5 * time.Second
	// warnAgain is the time after which a spell that goes on is logged again.
	warnAgain = time.Minute
	// warnPause is the least time between two lines of the log.
	warnPause = time.Second
)

// Others stands for those for whom there was no room in the memory of names.
const Others = "others"

// Hit says that somebody was held to a limit.
type Hit struct {
	Limit string    // what was to be had
	Who   string    // who wanted more of it
	Count uint64    // hits in this spell
	Total uint64    // hits since the pair is remembered
	Since time.Time // the spell's first hit
	Last  time.Time // its newest
}

type pair struct{ limit, who string }

type memory struct {
	Hit
	warned time.Time // of the newest line in the log
}

// Hits remembers who hits which limit. The zero value is not usable; a nil *Hits records nothing.
type Hits struct {
	now func() time.Time
	log *slog.Logger

	mu     sync.Mutex
	pairs  map[pair]*memory
	warned time.Time // of the newest line in the log
}

// NewHits returns an empty memory. It warns to log.
func NewHits(now func() time.Time, log *slog.Logger) *Hits {
	return &Hits{now: now, log: log, pairs: map[pair]*memory{}}
}

// RecordHit records that somebody was held to a limit now.
func (h *Hits) RecordHit(limit, who string) {
	if h == nil {
		return
	}
	now := h.now()
	who = strings.ToValidUTF8(who[:min(len(who), maxName)], "?")
	h.mu.Lock()
	m := h.findPair(limit, who, now)
	if now.Sub(m.Last) >= quiet {
		m.Since, m.Count = now, 0
	}
	m.Count++
	m.Total++
	m.Last = now
	hit, warn := m.Hit, h.mayWarn(m, now)
	h.mu.Unlock()
	if warn {
		h.log.Warn("a limit is being hit", slog.String("limit", hit.Limit), slog.String("who", hit.Who),
			slog.Uint64("hits", hit.Count), slog.Uint64("total", hit.Total))
	}
}

// mayWarn reports whether a hit is to be logged, and notes that it is.
func (h *Hits) mayWarn(m *memory, now time.Time) bool {
	if m.Count > 1 && now.Sub(m.warned) < warnAgain || now.Sub(h.warned) < warnPause {
		return false
	}
	m.warned, h.warned = now, now
	return true
}

// findPair returns the memory of a pair, making room for a new one.
func (h *Hits) findPair(limit, who string, now time.Time) *memory {
	if m := h.pairs[pair{limit, who}]; m != nil {
		return m
	}
	for len(h.pairs) >= maxPairs && h.forgetQuiet(now) {
	}
	if len(h.pairs) >= maxPairs {
		who = Others // one place more for each limit
		if m := h.pairs[pair{limit, who}]; m != nil {
			return m
		}
	}
	m := &memory{Hit: Hit{Limit: limit, Who: who}}
	h.pairs[pair{limit, who}] = m
	return m
}

// forgetQuiet forgets the pair whose newest hit is the oldest, if its spell is over.
func (h *Hits) forgetQuiet(now time.Time) bool {
	var oldest *memory
	for _, m := range h.pairs {
		if oldest == nil || m.Last.Before(oldest.Last) {
			oldest = m
		}
	}
	if now.Sub(oldest.Last) < quiet {
		return false
	}
	delete(h.pairs, pair{oldest.Limit, oldest.Who})
	return true
}

// Lately returns the pairs whose spell goes on, those with the most hits first.
func (h *Hits) Lately() []Hit {
	if h == nil {
		return nil
	}
	now := h.now()
	return slices.DeleteFunc(h.All(), func(hit Hit) bool { return now.Sub(hit.Last) >= quiet })
}

// All returns every pair that is remembered, those with the most hits in their newest spell first.
func (h *Hits) All() []Hit {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	all := make([]Hit, 0, len(h.pairs))
	for _, m := range h.pairs {
		all = append(all, m.Hit)
	}
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Limit, b.Limit), cmp.Compare(a.Who, b.Who))
	})
	return all
}
