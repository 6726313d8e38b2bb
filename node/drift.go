package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
)

// Bounds of how far the time of new blocks may be from the wall clock, and for how long. A block is executed within seconds; after
// a pause of the chain, block time takes up to 32 blocks to come back.
const (
	driftLimit    = 5 * time.Second
	driftPatience = 90 * time.Second
)

// drift compares the times of new blocks with the wall clock. Rules do not read either: what parts them is wrong clocks, of
// this machine or of most validators. It is safe for concurrent use.
type drift struct {
	mu     sync.Mutex
	tip    state.Tip     // the newest block that was seen
	seen   time.Time     // when
	ahead  time.Duration // of block time, at that block
	parted time.Time     // when they parted; zero while they agree
	told   bool          // the log has said so
}

// observeTip takes note of the newest block at a time of the wall clock. It reports when it is time to warn.
func (d *drift) observeTip(tip state.Tip, now time.Time) (warn bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if tip.Height == d.tip.Height {
		return false
	}
	moved, spent := millisBetween(d.tip.Time, tip.Time), now.Sub(d.seen)
	catchesUp := d.seen.IsZero() || moved > 2*spent+time.Second // blocks of the past, or after a pause
	d.tip, d.seen, d.ahead = tip, now, time.UnixMilli(int64(tip.Time)).Sub(now)
	switch {
	case catchesUp || d.ahead.Abs() <= driftLimit:
		d.parted, d.told = time.Time{}, false
	case d.parted.IsZero():
		d.parted = now
	}
	warn = d.hasParted() && !d.told
	d.told = d.told || warn
	return warn
}

func (d *drift) hasParted() bool {
	return !d.parted.IsZero() && d.seen.Sub(d.parted) >= driftPatience
}

func millisBetween(from, to remora.Millis) time.Duration {
	return time.Duration(to-min(from, to)) * time.Millisecond
}

// Unready says that block time and wall clock have parted, if they have.
func (d *drift) Unready() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.hasParted() {
		return nil
	}
	where := "ahead of"
	if d.ahead < 0 {
		where = "behind"
	}
	return []string{fmt.Sprintf("block time is %s %s this machine's clock: check the clocks of this machine and of the validators",
		d.ahead.Abs().Round(time.Second), where)}
}

// seconds returns how far block time was ahead of the wall clock at the newest block.
func (d *drift) seconds() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ahead.Seconds()
}

// watchClock compares new blocks with the wall clock until ctx ends.
func (n *Node) watchClock(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if n.drift.observeTip(n.head.Tip(), time.Now().Add(n.config.ClockOffset)) {
			n.config.Logger.Warn("block time and wall clock have parted", slog.String("reason", n.drift.Unready()[0]))
		}
	}
}
