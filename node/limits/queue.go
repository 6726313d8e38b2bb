package limits

import (
	"context"
	"slices"
	"sync"
)

// Queue hands out places for which owners wait. Who has the least is served first, so that an owner with many requests waits
// for its own and keeps nobody else waiting. What a place is follows from the use: a request, a byte.
type Queue struct {
	total, each int64
	waiting     int // that may wait in all; one owner a quarter

	mu      sync.Mutex
	taken   int64
	by      map[string]int64
	waiters []*waiter // oldest first
}

type waiter struct {
	owner string
	n     int64
	ready chan struct{} // closed when it has its places
}

// NewQueue returns a queue for total places, of which each owner may have at most each, with room for a number of waiters.
func NewQueue(total, each int64, waiting int) *Queue {
	return &Queue{total: total, each: min(each, total), waiting: waiting, by: map[string]int64{}}
}

// EnterQueue waits until the owner has n places, at most until ctx ends, and reports whether it got them. It does not wait
// for more than an owner may have, nor where too many wait already. LeaveQueue gives them back.
func (q *Queue) EnterQueue(ctx context.Context, owner string, n int64) bool {
	w := q.joinQueue(owner, n)
	if w == nil {
		return false
	}
	select {
	case <-w.ready:
		return true
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiters, w)
	if i < 0 {
		return true // served in the same moment
	}
	q.waiters = slices.Delete(q.waiters, i, i+1)
	q.serveWaiters() // it may have stood before others
	return false
}

// joinQueue returns the waiter, nil if there is no room for it.
func (q *Queue) joinQueue(owner string, n int64) *waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n > q.each {
		return nil
	}
	w := &waiter{owner, n, make(chan struct{})}
	q.waiters = append(q.waiters, w)
	q.serveWaiters()
	select {
	case <-w.ready:
		return w
	default:
	}
	own := 0
	for _, other := range q.waiters {
		if other.owner == owner {
			own++
		}
	}
	if len(q.waiters) > q.waiting || own > max(q.waiting/4, 1) {
		q.waiters = slices.Delete(q.waiters, len(q.waiters)-1, len(q.waiters))
		return nil
	}
	return w
}

// LeaveQueue gives places back that the owner got.
func (q *Queue) LeaveQueue(owner string, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken -= n
	if q.by[owner] -= n; q.by[owner] <= 0 {
		delete(q.by, owner)
	}
	q.serveWaiters()
}

// serveWaiters gives places to waiters while there are any for the next one: small requests do not overtake a large one.
func (q *Queue) serveWaiters() {
	for {
		next := -1
		for i, w := range q.waiters {
			if q.by[w.owner]+w.n <= q.each && (next < 0 || q.by[w.owner] < q.by[q.waiters[next].owner]) {
				next = i
			}
		}
		if next < 0 || q.taken+q.waiters[next].n > q.total {
			return
		}
		w := q.waiters[next]
		q.waiters = slices.Delete(q.waiters, next, next+1)
		q.taken += w.n
		q.by[w.owner] += w.n
		close(w.ready)
	}
}
