package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/remora-network/remora"
)

// Kills is a seeded schedule: validators are killed without warning and started again, under whatever load there is.
type Kills struct {
	Seed  uint64
	Count int           // processes killed
	Down  time.Duration // at most, how long the victims of a cycle stay down
	Gap   time.Duration // at most, how long all run before the next cycle
	Every int           // kills after which every validator has to execute something new before it goes on
}

const (
	stumbles  = 5                      // one of so many restarts is killed on its way
	startTime = 150 * time.Millisecond // about what a validator needs until it answers
)

// liveWait bounds how long the validators may take to make new blocks when all of them run.
const liveWait = 60 * time.Second

// Killed is what a schedule of kills did.
type Killed struct {
	Kills    int
	All      int // cycles in which nobody was left
	Stumbles int // more kills, of validators that were just starting
	Rejoin   Times
}

// String sums up.
func (k Killed) String() string {
	return fmt.Sprintf("%d kills, %d times all at once, and %d on the way up; rejoin p50 %d ms, p99 %d ms", k.Kills, k.All, k.Stumbles,
		k.Rejoin.Quantile(0.5).Milliseconds(), k.Rejoin.Quantile(0.99).Milliseconds())
}

// victims draws whom a cycle kills: mostly one, sometimes more, sometimes all.
func victims(chance *rand.Rand) []int {
	order := chance.Perm(Validators)
	switch n := chance.IntN(20); {
	case n < 14:
		return order[:1]
	case n < 17:
		return order[:2]
	case n < 18:
		return order[:3]
	default:
		return order
	}
}

// Suffer carries the schedule out. An error says that a validator did not come back, or that the chain stood still.
func (n *Network) Suffer(ctx context.Context, k Kills) (Killed, error) {
	chance := rand.New(rand.NewPCG(k.Seed, 0))
	watch := n.watch(ctx)
	defer watch.stop()
	var done Killed
	breath := k.Every
	for done.Kills < k.Count {
		chosen := victims(chance)
		chosen = chosen[:min(len(chosen), k.Count-done.Kills)]
		for _, v := range chosen {
			watch.forget(v)
			if err := n.Kill(ctx, v); err != nil {
				return done, err
			}
		}
		if done.Kills += len(chosen); len(chosen) == Validators {
			done.All++
		}
		wait(ctx, between(chance, k.Down))
		for _, v := range chosen {
			if chance.IntN(stumbles) == 0 {
				if err := n.Stumble(ctx, v, between(chance, startTime)); err != nil {
					return done, fmt.Errorf("after %d kills: %w", done.Kills, err)
				}
				done.Stumbles++
			}
			watch.expect(v)
			if err := n.Start(ctx, v); err != nil {
				return done, fmt.Errorf("after %d kills: %w", done.Kills, err)
			}
		}
		wait(ctx, between(chance, k.Gap))
		if done.Kills >= breath || done.Kills == k.Count {
			breath = done.Kills + k.Every
			if err := n.breathe(ctx); err != nil {
				return done, fmt.Errorf("after %d kills: %w", done.Kills, err)
			}
		}
	}
	done.Rejoin = watch.times()
	return done, ctx.Err()
}

// breathe waits until every validator executes something new.
func (n *Network) breathe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, liveWait)
	defer cancel()
	return n.Progress(ctx, 1, All()...)
}

func between(chance *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(chance.Int64N(int64(most) + 1))
}

// Times are durations to take quantiles of.
type Times []time.Duration

// Quantile returns the smallest time that a share of the times does not exceed, 0 when there are none.
func (t Times) Quantile(share float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	return sorted[min(len(t)-1, int(share*float64(len(t))))]
}

// watch times how long validators need, from the start of their process, until they have executed a block that nobody had
// then. It asks them all the time.
type watch struct {
	network *Network
	cancel  context.CancelFunc
	asking  sync.WaitGroup

	mu      sync.Mutex
	highest remora.Height
	begun   map[int]restart // by validator that has not rejoined
	took    Times
}

type restart struct {
	at     time.Time
	behind remora.Height
}

func (n *Network) watch(ctx context.Context) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{network: n, cancel: cancel, begun: map[int]restart{}}
	for v := range n.nodes {
		w.asking.Go(func() {
			for ctx.Err() == nil {
				height, _ := n.height(ctx, v)
				w.see(v, height)
				wait(ctx, look)
			}
		})
	}
	return w
}

func (w *watch) stop() {
	w.cancel()
	w.asking.Wait()
}

func (w *watch) see(v int, height remora.Height) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.highest = max(w.highest, height)
	if r, waiting := w.begun[v]; waiting && height > r.behind {
		w.took = append(w.took, time.Since(r.at))
		delete(w.begun, v)
	}
}

// expect begins to time a validator that is about to start.
func (w *watch) expect(v int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun[v] = restart{at: time.Now(), behind: w.highest}
}

// forget gives a validator up that is killed before it has rejoined.
func (w *watch) forget(v int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.begun, v)
}

func (w *watch) times() Times {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.took)
}
