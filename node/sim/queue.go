package sim

import (
	"container/heap"
	"time"
)

// event is something that happens at a time. Equal times go by number.
type event struct {
	at     time.Duration
	number uint64
	do     func()
}

// queue holds what is to happen; it implements heap.Interface.
type queue struct {
	events []event
	number uint64
}

// Len implements heap.Interface.
func (q *queue) Len() int { return len(q.events) }

// Less implements heap.Interface.
func (q *queue) Less(i, j int) bool {
	a, b := &q.events[i], &q.events[j]
	return a.at < b.at || a.at == b.at && a.number < b.number
}

// Swap implements heap.Interface.
func (q *queue) Swap(i, j int) { q.events[i], q.events[j] = q.events[j], q.events[i] }

// Push implements heap.Interface.
func (q *queue) Push(e any) { q.events = append(q.events, e.(event)) }

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(q.events) - 1
	e := q.events[last]
	q.events[last] = event{}
	q.events = q.events[:last]
	return e
}

func (q *queue) addEvent(at time.Duration, do func()) {
	q.number++
	heap.Push(q, event{at: at, number: q.number, do: do})
}

// nextEvent takes the first event that is not after a time.
func (q *queue) nextEvent(until time.Duration) (event, bool) {
	if len(q.events) == 0 || q.events[0].at > until {
		return event{}, false
	}
	return heap.Pop(q).(event), true
}
