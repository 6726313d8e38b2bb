package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/devnet"
)

// Kills is a seeded schedule: validators are killed without warning and started again under load.
type Kills struct {
	Seed  uint64
	Count int           // processes killed
	Down  time.Duration // longest time that the victims of a cycle stay down
	Gap   time.Duration // longest time that all run before the next cycle
	Every int           // kills after which every validator has to execute a new block before the schedule continues
}

const (
	stumbles  = 5                      // one in this many restarts is killed while it starts
	startTime = 150 * time.Millisecond // about the time until a starting validator answers
)

// progressWait bounds the time in which all validators, when all run, have to execute a new block.
const progressWait = 60 * time.Second

// Killed describes what a schedule of kills did.
type Killed struct {
	Kills    int
	All      int // cycles in which all were killed
	Stumbles int // further kills, of starting validators
	Rejoin   Times
}

// String returns a summary.
func (k Killed) String() string {
	return fmt.Sprintf("%d kills, %d times all at once, and %d on the way up; rejoin p50 %d ms, p99 %d ms", k.Kills, k.All, k.Stumbles,
		k.Rejoin.Quantile(0.5).Milliseconds(), k.Rejoin.Quantile(0.99).Milliseconds())
}

// drawVictims draws the validators that a cycle kills: mostly one, sometimes more, sometimes all.
func drawVictims(chance *rand.Rand) []int {
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

// RunKills carries the schedule out. An error says that a validator did not come back, or that the chain stopped.
func (n *Network) RunKills(ctx context.Context, k Kills) (Killed, error) {
	chance := rand.New(rand.NewPCG(k.Seed, 0))
	watch := n.watchRejoins(ctx)
	defer watch.stopWatching()
	var done Killed
	breath := k.Every
	for done.Kills < k.Count {
		chosen := drawVictims(chance)
		chosen = chosen[:min(len(chosen), k.Count-done.Kills)]
		for _, v := range chosen {
			watch.forgetValidator(v)
			if err := n.Kill(ctx, v); err != nil {
				return done, err
			}
		}
		if done.Kills += len(chosen); len(chosen) == Validators {
			done.All++
		}
		devnet.Pause(ctx, randomUpTo(chance, k.Down))
		for _, v := range chosen {
			if chance.IntN(stumbles) == 0 {
				if err := n.KillOnStart(ctx, v, randomUpTo(chance, startTime)); err != nil {
					return done, fmt.Errorf("after %d kills: %w", done.Kills, err)
				}
				done.Stumbles++
			}
			watch.expectRejoin(v)
			if err := n.Start(ctx, v); err != nil {
				return done, fmt.Errorf("after %d kills: %w", done.Kills, err)
			}
		}
		devnet.Pause(ctx, randomUpTo(chance, k.Gap))
		if done.Kills >= breath || done.Kills == k.Count {
			breath = done.Kills + k.Every
			if err := n.awaitProgress(ctx); err != nil {
				return done, fmt.Errorf("after %d kills: %w", done.Kills, err)
			}
		}
	}
	done.Rejoin = watch.rejoinTimes()
	return done, ctx.Err()
}

// awaitProgress waits until every validator has executed a new block.
func (n *Network) awaitProgress(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, progressWait)
	defer cancel()
	return n.Progress(ctx, 1, All()...)
}

func randomUpTo(chance *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(chance.Int64N(int64(most) + 1))
}

// Times are durations to take quantiles of.
type Times []time.Duration

// Quantile returns the smallest time that a fraction q of the times does not exceed, 0 if there are none.
func (t Times) Quantile(q float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	return sorted[min(len(t)-1, int(q*float64(len(t))))]
}

// rejoinWatch measures the time from the start of a validator's process until it has executed a block that no validator
// had executed at the start. It polls all validators.
type rejoinWatch struct {
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

func (n *Network) watchRejoins(ctx context.Context) *rejoinWatch {
	ctx, cancel := context.WithCancel(ctx)
	w := &rejoinWatch{network: n, cancel: cancel, begun: map[int]restart{}}
	for v := range n.nodes {
		w.asking.Go(func() {
			for ctx.Err() == nil {
				height, _ := n.heightsOf(ctx, v)
				w.noteHeight(v, height)
				devnet.Pause(ctx, pollInterval)
			}
		})
	}
	return w
}

func (w *rejoinWatch) stopWatching() {
	w.cancel()
	w.asking.Wait()
}

func (w *rejoinWatch) noteHeight(v int, height remora.Height) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.highest = max(w.highest, height)
	if r, waiting := w.begun[v]; waiting && height > r.behind {
		w.took = append(w.took, time.Since(r.at))
		delete(w.begun, v)
	}
}

// expectRejoin starts the time of a validator that is about to start.
func (w *rejoinWatch) expectRejoin(v int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun[v] = restart{at: time.Now(), behind: w.highest}
}

// forgetValidator ends the measurement of a validator that is killed before it has rejoined.
func (w *rejoinWatch) forgetValidator(v int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.begun, v)
}

func (w *rejoinWatch) rejoinTimes() Times {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.took)
}
