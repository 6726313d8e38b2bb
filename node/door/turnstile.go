package door

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// errOverdrawn says that an owner has as many requests waiting for a slot as it may.
var errOverdrawn = errors.New("no more requests of this client may wait")

// turnstile hands out the slots in which transactions are verified. Owners are served in turn, and none of them has all
// slots, so that a client with much work delays the others by a slot's work at most.
type turnstile struct {
	perOwner   int // slots of one owner
	maxWaiting int // of one owner

	mu     sync.Mutex
	free   int
	owners map[string]*queue // those that have a slot or wait for one
	turns  []string          // those that wait, the next to be served first
}

type queue struct {
	active  int
	waiting []chan struct{} // closed when the slot is theirs
}

func newTurnstile(slots, perOwner, maxWaiting int) *turnstile {
	return &turnstile{perOwner: perOwner, maxWaiting: maxWaiting, free: slots, owners: map[string]*queue{}}
}

// enterSlot waits for a slot. Whoever got one calls leaveSlot.
func (t *turnstile) enterSlot(ctx context.Context, owner string) error {
	t.mu.Lock()
	q := t.owners[owner]
	if q == nil {
		q = &queue{}
		t.owners[owner] = q
	}
	if len(q.waiting) >= t.maxWaiting {
		t.mu.Unlock()
		return errOverdrawn
	}
	mine := make(chan struct{})
	if q.waiting = append(q.waiting, mine); len(q.waiting) == 1 {
		t.turns = append(t.turns, owner)
	}
	t.serveNext()
	t.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	if !t.stopWaiting(owner, mine) {
		t.leaveSlot(owner)
	}
	return ctx.Err()
}

// stopWaiting takes a place out of its owner's queue. It returns false if the slot has just come.
func (t *turnstile) stopWaiting(owner string, mine chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.owners[owner]
	place := -1
	if q != nil {
		place = slices.Index(q.waiting, mine)
	}
	if place < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, place, place+1)
	if len(q.waiting) == 0 {
		t.turns = slices.DeleteFunc(t.turns, func(o string) bool { return o == owner })
		t.forgetIdle(owner, q)
	}
	return true
}

// leaveSlot gives a slot back.
func (t *turnstile) leaveSlot(owner string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.owners[owner]
	q.active--
	t.free++
	t.forgetIdle(owner, q)
	t.serveNext()
}

func (t *turnstile) forgetIdle(owner string, q *queue) {
	if q.active == 0 && len(q.waiting) == 0 {
		delete(t.owners, owner)
	}
}

// serveNext hands free slots to those that wait, one to each owner in turn.
func (t *turnstile) serveNext() {
	for i := 0; i < len(t.turns) && t.free > 0; {
		owner := t.turns[i]
		q := t.owners[owner]
		if q.active >= t.perOwner {
			i++
			continue
		}
		t.free--
		q.active++
		close(q.waiting[0])
		q.waiting = q.waiting[1:]
		t.turns = slices.Delete(t.turns, i, i+1)
		if len(q.waiting) > 0 {
			t.turns = append(t.turns, owner)
		}
	}
}
