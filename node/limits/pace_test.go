package limits_test

import (
	"testing"
	"time"

	"github.com/remora-network/remora/node/limits"
)

// TestPace follows senders that send every second: one that keeps the pace, one that stalls after much at once, and one that
// sends a byte at a time.
func TestPace(t *testing.T) {
	pace := limits.Pace{PerSecond: 1000, Grace: 3 * time.Second}
	for name, tt := range map[string]struct {
		first, then int
		cut         int // the second in which it is cut; 0: never
	}{
		"at the pace":     {1000, 1000, 0},
		"faster":          {1 << 20, 5000, 0},
		"stalls":          {1 << 20, 0, 5},
		"a byte a second": {1, 1, 4},
		"half the pace":   {500, 500, 6},
	} {
		now := time.Unix(1000, 0)
		due, cut := now.Add(pace.Grace), 0
		for second := 1; second <= 100; second++ {
			now = now.Add(time.Second)
			if now.After(due) {
				cut = second
				break
			}
			n := tt.then
			if second == 1 {
				n = tt.first
			}
			due = pace.Advance(due, now, n)
		}
		if cut != tt.cut {
			t.Errorf("%s: cut in second %d, want %d", name, cut, tt.cut)
		}
	}
	if got := pace.TimeFor(2000); got != 5*time.Second {
		t.Errorf("2000 bytes may take %s", got)
	}
}
