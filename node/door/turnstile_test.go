package door

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

// TestTurnstileServesInTurn has one owner wait with many requests and others with one: it gets every third slot, and never
// all.
func TestTurnstileServesInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTurnstile(2, 1, 10)
		served := make(chan string, 20)
		enter := func(owner string) {
			go func() {
				if err := s.enterSlot(t.Context(), owner); err != nil {
					t.Error(err)
				}
				served <- owner
			}()
			synctest.Wait()
		}
		for _, owner := range []string{"a", "a", "a", "a", "b", "c", "b"} {
			enter(owner)
		}
		var order []string
		for len(order) < 7 {
			synctest.Wait()
			var now []string
			for len(served) > 0 {
				now = append(now, <-served)
			}
			if len(now) == 0 {
				t.Fatalf("nobody is served after %v", order)
			}
			order = append(order, now...)
			if slices.Sort(now); len(now) == 2 && now[0] == now[1] {
				t.Errorf("%v has both slots", now)
			}
			for _, owner := range now {
				s.leaveSlot(owner)
			}
		}
		if got := slices.Index(order, "c"); got > 3 {
			t.Errorf("c is served as number %d: %v", got, order)
		}
		if len(s.owners) != 0 || len(s.turns) != 0 || s.free != 2 {
			t.Errorf("left behind: %v, %v, %d free", s.owners, s.turns, s.free)
		}
	})
}

// TestTurnstileIsBounded fills the places in which one owner may wait; one that gives up makes room.
func TestTurnstileIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTurnstile(1, 1, 2)
		if err := s.enterSlot(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		for range 2 {
			go func() { ended <- s.enterSlot(ctx, "a") }()
		}
		synctest.Wait()
		if err := s.enterSlot(t.Context(), "a"); !errors.Is(err, errOverdrawn) {
			t.Errorf("a third waits: %v", err)
		}
		cancel()
		for range 2 {
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		s.leaveSlot("a")
		if len(s.owners) != 0 || len(s.turns) != 0 || s.free != 1 {
			t.Errorf("left behind: %v, %v, %d free", s.owners, s.turns, s.free)
		}
	})
}
