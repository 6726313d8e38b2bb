package bench

import (
	"slices"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
)

// window is the time of the measurement.
type window struct{ from, to time.Time }

func (w window) contains(t time.Time) bool { return !t.Before(w.from) && t.Before(w.to) }

// ledger counts submitted, acknowledged and executed transactions. It may be used from any goroutine.
type ledger struct {
	mu        sync.Mutex
	window    window
	submitted uint64        // submitted within the window, and acknowledged
	refused   uint64        // by back-pressure
	committed uint64        // executed within the window by the validator that took them
	blocks    uint64        // executed within the window by the first validator
	height    remora.Height // highest executed by any validator
	latencies []time.Duration
	weights   []int // transactions of each latency
	// waiting holds acknowledged transactions by validator and batch; early holds the executed batches, whose
	// acknowledgement may arrive later than the news of their execution.
	waiting []map[remora.Hash][]entry
	early   []map[remora.Hash]time.Time
	acked   []span // numbers of acknowledged transactions
	unheard []span // numbers of transactions without an answer
}

// entry is the transactions of one submission in one batch.
type entry struct {
	at    time.Time
	count int
}

// span is a range of count consecutive numbers.
type span struct{ first, count uint64 }

func newLedger(validators int, w window) *ledger {
	l := &ledger{window: w}
	for range validators {
		l.waiting = append(l.waiting, map[remora.Hash][]entry{})
		l.early = append(l.early, map[remora.Hash]time.Time{})
	}
	return l
}

func (l *ledger) notePushedBack(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused += uint64(n)
}

func (l *ledger) noteUnanswered(first uint64, n int, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unheard = append(l.unheard, span{first, uint64(n)})
}

func (l *ledger) noteAcknowledged(validator int, first uint64, at time.Time, answer *client.Submitted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := make([]int, len(answer.Batches))
	for i, place := range answer.Tx {
		if place < 0 {
			l.refused++
			continue
		}
		counts[place]++
		l.addAcked(first + uint64(i))
		if l.window.contains(at) {
			l.submitted++
		}
	}
	for place, n := range counts {
		if n == 0 {
			continue
		}
		digest := answer.Batches[place]
		if done, heard := l.early[validator][digest]; heard {
			l.countExecuted(at, done, n)
			continue
		}
		l.waiting[validator][digest] = append(l.waiting[validator][digest], entry{at, n})
	}
}

func (l *ledger) addAcked(number uint64) {
	if n := len(l.acked); n > 0 && l.acked[n-1].first+l.acked[n-1].count == number {
		l.acked[n-1].count++
		return
	}
	l.acked = append(l.acked, span{number, 1})
}

// noteBlock enters a block that a validator executed.
func (l *ledger) noteBlock(validator int, e client.Event, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if validator == 0 && l.window.contains(at) {
		l.blocks++
	}
	l.height = max(l.height, e.Height)
	for _, digest := range e.Batches {
		l.early[validator][digest] = at
		for _, w := range l.waiting[validator][digest] {
			l.countExecuted(w.at, at, w.count)
		}
		delete(l.waiting[validator], digest)
	}
}

func (l *ledger) countExecuted(submitted, done time.Time, n int) {
	if !l.window.contains(done) {
		return
	}
	l.committed += uint64(n)
	l.latencies = append(l.latencies, done.Sub(submitted))
	l.weights = append(l.weights, n)
}

// allExecuted reports whether every acknowledged transaction was executed.
func (l *ledger) allExecuted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.waiting {
		if len(w) > 0 {
			return false
		}
	}
	return true
}

// latencyQuantiles returns latencies in milliseconds, weighted by transactions, for ascending fractions.
func (l *ledger) latencyQuantiles(fractions ...float64) []float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	order := make([]int, len(l.latencies))
	total := 0
	for i := range order {
		order[i] = i
		total += l.weights[i]
	}
	slices.SortFunc(order, func(a, b int) int { return int(l.latencies[a] - l.latencies[b]) })
	found := make([]float64, len(fractions))
	seen, next := 0, 0
	for _, i := range order {
		seen += l.weights[i]
		for next < len(fractions) && float64(seen) >= fractions[next]*float64(total) {
			found[next] = float64(l.latencies[i].Microseconds()) / 1000
			next++
		}
	}
	return found
}
