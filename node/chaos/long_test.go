package chaos_test

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/remora-network/remora/node/chaos"
)

var soak = flag.Duration("soak", 0, "kill a validator every minute for so long")

// A chain without load costs almost nothing.
func TestIdle(t *testing.T) {
	t.Run("idle_cpu_bound", func(t *testing.T) {
		if *cycles == 0 {
			t.Skip("takes long: make chaos runs it")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		r := start(ctx, t, chaos.Options{Epoch: time.Hour}, chaos.Load{})
		r.must(r.Progress(ctx, 5, chaos.All()...))
		begin, before := time.Now(), r.used()
		r.must(r.Progress(ctx, 15, 0)) // about a second a block
		took := time.Since(begin)
		for v, used := range r.used()[1:] { // without the first, which was polled
			percent := 100 * (used - before[1+v]).Seconds() / took.Seconds()
			t.Logf("validator-%d uses %.1f %% of a core", 1+v, percent)
			if percent > 6 { // twice what it should be on a machine that does nothing else
				t.Errorf("validator-%d is not idle", 1+v)
			}
		}
	})
}

func (r *run) used() []time.Duration {
	r.Helper()
	var all []time.Duration
	for _, v := range chaos.All() {
		used, err := r.CPU(v)
		r.must(err)
		all = append(all, used)
	}
	return all
}

// A day of load: a validator is killed about every minute, and in the end nothing is missing.
func TestSoak(t *testing.T) {
	t.Run("soak_with_kill9_every_minute", func(t *testing.T) {
		if *soak == 0 {
			t.Skip("takes as long as SOAK says: make chaos SOAK=24h")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2**soak+10*time.Minute)
		defer cancel()
		load := chaos.DefaultLoad(*seed)
		load.Between = 2 * time.Second // what the clients remember has to fit into memory
		r := start(ctx, t, chaos.Options{}, load)
		done, err := r.RunKills(ctx, chaos.Kills{
			Seed: *seed, Count: max(1, int(*soak/time.Minute)), Down: 10 * time.Second, Gap: 2*time.Minute - 10*time.Second, Every: 1,
		})
		r.must(err)
		t.Log(done)
		r.verify(ctx)
	})
}
