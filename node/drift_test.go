package node

import (
	"strings"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
)

// watched feeds blocks to a drift, one a second by the wall clock.
type watched struct {
	drift
	now   time.Time
	warns int
}

func (w *watched) passBlocks(blocks int, ahead time.Duration) {
	for range blocks {
		w.now = w.now.Add(time.Second)
		tip := state.Tip{Height: w.tip.Height + 1, Time: remora.Millis(w.now.Add(ahead).UnixMilli())}
		if w.observeTip(tip, w.now) {
			w.warns++
		}
	}
}

// TestDrift warns once where block time and wall clock part for long, says which way, and stops when they agree again.
func TestDrift(t *testing.T) {
	for _, tt := range []struct {
		ahead time.Duration
		says  string
	}{{time.Hour, "1h0m0s ahead of"}, {-6 * time.Second, "6s behind"}} {
		w := &watched{now: time.Unix(1_800_000_000, 0)}
		w.passBlocks(100, -time.Second)
		w.passBlocks(60, tt.ahead)
		if got := w.Unready(); len(got) != 0 || w.warns != 0 {
			t.Errorf("after a minute: %q, %d warnings", got, w.warns)
		}
		w.passBlocks(60, tt.ahead)
		if got := w.Unready(); len(got) != 1 || !strings.Contains(got[0], tt.says) || w.warns != 1 {
			t.Errorf("after two minutes: %q, %d warnings; want %q and one", got, w.warns, tt.says)
		}
		if got := w.seconds(); got != tt.ahead.Seconds() {
			t.Errorf("metric %f, want %f", got, tt.ahead.Seconds())
		}
		w.passBlocks(1, 0)
		if got := w.Unready(); len(got) != 0 {
			t.Errorf("when they agree again: %q", got)
		}
	}
}

// TestDriftWhileCatchingUp executes old blocks faster than they were made: that is no wrong clock.
func TestDriftWhileCatchingUp(t *testing.T) {
	w := &watched{now: time.Unix(1_800_000_000, 0)}
	for behind := time.Hour; behind > 0; behind -= 10 * time.Second {
		w.passBlocks(1, -behind)
	}
	if got := w.Unready(); len(got) != 0 || w.warns != 0 {
		t.Errorf("%q, %d warnings", got, w.warns)
	}
}
