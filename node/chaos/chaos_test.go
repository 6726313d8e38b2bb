package chaos_test

import (
	"context"
	"testing"
	"time"

	"github.com/remora-network/remora/node/chaos"
)

// Whichever validators are killed, and whenever: acknowledged transactions take effect once, everywhere.
func TestKills(t *testing.T) {
	schedule := chaos.Kills{Seed: *seed, Count: 12, Down: 500 * time.Millisecond, Gap: time.Second, Every: 6}
	limit := time.Minute + 3*time.Minute
	if *cycles > 0 {
		schedule.Count, schedule.Gap, schedule.Every = *cycles, 500*time.Millisecond, 20
		limit += time.Duration(*cycles) * 3 * time.Second
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r := start(ctx, t, chaos.Options{Epoch: 4 * time.Second}, chaos.DefaultLoad(*seed))
	done, err := r.RunKills(ctx, schedule)
	r.must(err)
	t.Log(done)
	r.verify(ctx)
}

// A stopped process continues where it was, while the others have moved on.
func TestPauses(t *testing.T) {
	schedule := chaos.Pauses{Seed: *seed, Count: 3, Shortest: time.Second, Longest: 2 * time.Second}
	if *cycles > 0 {
		schedule.Count, schedule.Longest = 20, 10*time.Second
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	r := start(ctx, t, chaos.Options{Epoch: 4 * time.Second}, chaos.DefaultLoad(*seed))
	r.must(r.RunPauses(ctx, schedule))
	r.verify(ctx)
}

// Wall clocks may be wrong, and jump: the chain continues, and its time is that of the validators whose clocks are
// right.
func TestClocks(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	begin := time.Now()
	const tenYears = 10 * 365 * 24 * time.Hour
	r := start(ctx, t, chaos.Options{Epoch: 4 * time.Second, Launch: map[string]chaos.Launch{
		"validator-0": offset(time.Hour), "validator-1": offset(-tenYears),
	}}, chaos.DefaultLoad(*seed))
	r.must(r.Progress(ctx, 10, chaos.All()...))
	for _, step := range []struct {
		validator int
		by        time.Duration
	}{{0, 0}, {2, tenYears}, {1, 0}, {0, -time.Hour}} { // at any time at most one is fast and one is slow
		r.must(r.Kill(ctx, step.validator))
		r.must(r.Relaunch(step.validator, offset(step.by)))
		r.must(r.Start(ctx, step.validator))
		r.must(r.Progress(ctx, 3, chaos.All()...))
	}
	found := r.verify(ctx)
	end := time.Now()
	for i, at := range found.Times() {
		if at.Before(begin.Truncate(time.Millisecond)) || at.After(end) {
			t.Errorf("block %d is of %s, the validators with right clocks made it between %s and %s", i+1, at, begin, end)
		}
	}
}

func offset(d time.Duration) chaos.Launch {
	return chaos.Launch{Flags: []string{"--clock-offset=" + d.String()}}
}
