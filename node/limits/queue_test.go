package limits_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remora-network/remora/node/limits"
)

// TestQueueServesWhoHasLeast has one owner take all that it may and wait for much more: another one is served at once, and
// before it, until all have what they may.
func TestQueueServesWhoHasLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := limits.NewQueue(4, 3, 16)
		var served []string
		enter := func(owner string) {
			go func() {
				if q.EnterQueue(t.Context(), owner, 1) {
					served = append(served, owner)
				}
			}()
			synctest.Wait()
		}
		for range 7 {
			enter("greedy")
		}
		enter("honest")
		if want := []string{"greedy", "greedy", "greedy", "honest"}; !slices.Equal(served, want) {
			t.Fatalf("served %v, want %v", served, want)
		}
		enter("second")
		q.LeaveQueue("greedy", 1)
		synctest.Wait()
		if served[len(served)-1] != "second" {
			t.Errorf("served %v, the second honest one before the greedy one's fourth", served)
		}
		for range 3 {
			q.LeaveQueue(served[len(served)-1], 1)
			synctest.Wait()
		}
		if len(served) != 8 { // five, and one more for each place given back
			t.Errorf("served %v", served)
		}
	})
}

// TestQueueIsBounded fills the places for waiters, lets one give up, and asks for more than there is.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := limits.NewQueue(1, 1, 8)
		if !q.EnterQueue(t.Context(), "a", 1) || q.EnterQueue(t.Context(), "a", 2) {
			t.Fatal("the first gets its place, nobody more than there is")
		}
		results := make(chan bool, 3)
		for range 3 { // a quarter of the waiters
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				results <- q.EnterQueue(ctx, "a", 1)
			}()
		}
		synctest.Wait()
		if len(results) != 1 || <-results {
			t.Error("one waiter too many waits")
		}
		first, second := <-results, <-results // a second of virtual time later
		if first || second {
			t.Error("waiters do not give up")
		}
		q.LeaveQueue("a", 1)
		if !q.EnterQueue(t.Context(), "b", 1) {
			t.Error("the place is not free again")
		}
	})
}
