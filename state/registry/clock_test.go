package registry_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/registry"
)

const (
	year  remora.Millis = 365 * 24 * 3_600_000
	start remora.Millis = 1_700_000_000_000
)

// history is the slow way to the same clock: it keeps every block's median, and looks at the last 128 to 256.
type history struct {
	active, time remora.Millis
	seen         []remora.Millis
	counts       []bool // whether a median counts among the highest: it was near the others, or the next block confirmed it
	wrong        int    // the block that showed a median to be wrong, far in the past at first
}

func newHistory() *history { return &history{active: start, time: start, wrong: -1_000} }

func (h *history) remembered() (highest, lowest remora.Millis) {
	n := len(h.seen)
	highest, lowest = 0, math.MaxUint64
	if n < 256 {
		highest = start
	}
	if n < 32 {
		lowest = start
	}
	for _, m := range h.seen[max(0, n/16*16-16):] {
		lowest = min(lowest, m)
	}
	for i := max(0, n/128*128-128); i < n; i++ {
		if h.counts[i] {
			highest = max(highest, h.seen[i])
		}
	}
	return highest, lowest
}

func (h *history) add(m remora.Millis) {
	n := len(h.seen)
	if n > 0 && !h.counts[n-1] {
		if m+4_000 >= h.seen[n-1] {
			h.counts[n-1] = true
		} else {
			h.wrong = n
		}
	}
	highest, lowest := h.remembered()
	lowest = min(lowest, m)
	far := m > highest+4_000
	step := remora.Millis(1)
	switch {
	case far && n-h.wrong >= 256:
		step = 4_000
	case !far && m > highest:
		step = m - highest
	}
	h.active += step
	next := h.time + 2*step
	if lowest > next {
		next = lowest
	}
	h.time = max(h.time+1, min(m, next))
	h.seen, h.counts = append(h.seen, m), append(h.counts, !far)
}

// TestClockModel compares the clock with the slow way to it, for medians that jump forth and back.
func TestClockModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		model, clock, now := newHistory(), registry.NewClock(start), start
		for i := range rapid.IntRange(1, 700).Draw(rt, "blocks") {
			now += remora.Millis(rapid.SampledFrom([]int{0, 1, 100, 1_000, 3_999, 4_000, 4_001, 60_000}).Draw(rt, "pause"))
			median := now
			switch rapid.IntRange(0, 20).Draw(rt, "clocks") {
			case 0:
				median += year
			case 1:
				median -= year
			case 2:
				median += 4_001
			}
			if i%128 == 127 && rapid.Bool().Draw(rt, "edge") {
				median += 10 * year
			}
			clock = clock.After(median)
			model.add(median)
			want := []remora.Millis{model.active, model.time}
			if diff := cmp.Diff(want, []remora.Millis{clock.Active, clock.Time}); diff != "" {
				rt.Fatalf("block %d (-want +got):\n%s", i, diff)
			}
		}
	})
}

// run moves a clock by blocks that are some time apart by right clocks; median says what the validators' clocks made of it. It
// returns the clock and the right time.
func run(c registry.Clock, now, apart remora.Millis, blocks int, median func(block int, now remora.Millis) remora.Millis) (registry.Clock, remora.Millis) {
	for i := range blocks {
		now += apart
		c = c.After(median(i, now))
	}
	return c, now
}

func right(_ int, now remora.Millis) remora.Millis { return now }

// warmUp returns the clock of a chain that has run for a while.
func warmUp() (registry.Clock, remora.Millis) {
	return run(registry.NewClock(start), start, 100, 1_000, right)
}

func requireWithin(t *testing.T, what string, got, least, most remora.Millis) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("%s: %d ms, want %d to %d", what, got, least, most)
	}
}

// TestClockKeepsTime with right clocks, whatever the pace of blocks up to MaxStep.
func TestClockKeepsTime(t *testing.T) {
	for _, apart := range []remora.Millis{50, 1_000, registry.MaxStep} {
		c, now := run(registry.NewClock(start), start, apart, 1_000, right)
		requireWithin(t, "active", c.Active, now, now)
		requireWithin(t, "time", c.Time, now, now)
	}
}

// TestClockAfterPause resumes a chain after 12 hours. The active clock moves by one step for the pause, so that of epochs of 4 s
// one passes, and no claim misses its opening; header time is back within 32 blocks, but for what they took, and then catches up.
func TestClockAfterPause(t *testing.T) {
	const pause = 12 * 3_600_000
	for warm := range 256 {
		c, now := run(registry.NewClock(start), start, 100, 1_000+warm, right)
		before, began := c, now
		c, now = run(c, now+pause, 100, 20, right)
		requireWithin(t, "active, 20 blocks after the pause", c.Active-before.Active-(now-began-pause), 3_800, registry.MaxStep)
		c, now = run(c, now, 100, 12, right)
		requireWithin(t, "time, 32 blocks after the pause", c.Time, now-32*100, now)
		c, now = run(c, now, 100, 224, right)
		requireWithin(t, "active, 256 blocks after the pause", c.Active-before.Active-(now-began-pause), 3_800, registry.MaxStep)
		requireWithin(t, "time, 256 blocks after the pause", c.Time, now, now)
	}
}

// TestClockAfterGlitch has one block with a median a year ahead, or behind: it costs one step at most, and both clocks go on.
func TestClockAfterGlitch(t *testing.T) {
	for _, wrong := range []remora.Millis{start + year, start - year, start + 200_000} {
		before, began := warmUp()
		c, now := run(before, began, 100, 1, func(int, remora.Millis) remora.Millis { return wrong })
		requireWithin(t, "time of the block", c.Time, before.Time, before.Time+2*registry.MaxStep)
		c, now = run(c, now, 100, 100, right)
		requireWithin(t, "active", c.Active+registry.MaxStep-before.Active-(now-began), registry.MaxStep-100, 2*registry.MaxStep)
		requireWithin(t, "time", c.Time, now, now+100)
	}
}

// TestClockAfterTwoGlitches in a row: the clock stands until they are forgotten, and then goes on.
func TestClockAfterTwoGlitches(t *testing.T) {
	c, now := warmUp()
	c, now = run(c, now, 100, 2, func(_ int, now remora.Millis) remora.Millis { return now + year })
	c, now = run(c, now, 100, 256, right)
	before, began := c, now
	c, now = run(c, now, 100, 100, right)
	requireWithin(t, "active", c.Active-before.Active, now-began, now-began)
	requireWithin(t, "time", c.Time, now-100*100, now)
}

// TestClockWithSkew lets medians vary by half a second either way.
func TestClockWithSkew(t *testing.T) {
	before, began := warmUp()
	c, now := run(before, began, 100, 1_000, func(i int, now remora.Millis) remora.Millis { return now + remora.Millis(i*377%1_000) - 500 })
	requireWithin(t, "active", c.Active-before.Active, now-began-1_000, now-began+1_000)
	requireWithin(t, "time", c.Time, now-500, now+1_000)
}

// TestClockAgainstByzantine plays a median a year ahead every so many blocks, one or two in a row, constant or farther each time.
// With 20 blocks a second the active clock runs at most 1.35 times as fast; it never stands.
func TestClockAgainstByzantine(t *testing.T) {
	for _, every := range []int{3, 17, 64, 129, 257, 300} {
		for _, growth := range []remora.Millis{0, 1_000_000} {
			before, began := warmUp()
			c, now := run(before, began, 50, 20_000, func(i int, now remora.Millis) remora.Millis {
				if i%every == 0 {
					return now + year + growth*remora.Millis(i/every)
				}
				return now
			})
			spent := now - began
			requireWithin(t, "active", c.Active-before.Active, spent*9/10, spent*135/100)
			requireWithin(t, "time", c.Time, now-256*50, now+2*registry.MaxStep)
		}
	}
	before, began := warmUp()
	c, now := run(before, began, 50, 20_000, func(i int, now remora.Millis) remora.Millis {
		if i%17 < 2 {
			return now + year
		}
		return now
	})
	requireWithin(t, "active with two in a row", c.Active-before.Active, (now-began)*9/10, (now-began)*135/100)
}

// TestClockAtTheEnd of numbers: it stays there.
func TestClockAtTheEnd(t *testing.T) {
	c, _ := run(registry.NewClock(math.MaxUint64-1), 0, 0, 1_000, func(i int, _ remora.Millis) remora.Millis { return math.MaxUint64 - remora.Millis(i%2) })
	requireWithin(t, "active", c.Active, math.MaxUint64, math.MaxUint64)
	requireWithin(t, "time", c.Time, math.MaxUint64, math.MaxUint64)
}

// TestEpochsAfterGlitches runs epochs of 4 s on the clock: a pause and a block a year ahead cost one epoch each at most, and
// epochs go on.
func TestEpochsAfterGlitches(t *testing.T) {
	p := remora.Params{EpochMillis: 4_000, EpochBlocks: 16}
	epoch, clock := registry.Epoch{Number: 1, StartTime: start, StartHeight: 1}, registry.NewClock(start)
	height, now := remora.Height(0), start
	pass := func(blocks int, skew remora.Millis) {
		for range blocks {
			height, now = height+1, now+100
			clock = clock.After(now + skew)
			epoch = epoch.After(clock.Active, height, &p)
		}
	}
	requireEpochs := func(what string, blocks int, skew, least, most remora.Millis) {
		t.Helper()
		first := epoch.Number
		pass(blocks, skew)
		requireWithin(t, what, remora.Millis(epoch.Number-first), least, most)
	}
	pass(1_000, 0)
	requireEpochs("10 epochs", 400, 0, 10, 10)
	requireEpochs("a block a year ahead", 1, year, 0, 1)
	requireEpochs("10 epochs after it", 400, 0, 9, 11)
	pass(300, 0)
	now += 12 * 3_600_000
	requireEpochs("10 epochs after a pause", 400, 0, 10, 12)
}
