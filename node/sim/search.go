package sim

import (
	"context"
	"sync"
)

// Found is a scenario that failed, or could not be run.
type Found struct {
	Scenario Scenario
	Outcome  Outcome
	Err      error
}

// Search runs the random scenarios of count seeds from first on, with n validators each (0: as the seed says), on
// several threads. It returns the number of runs and the failure of the lowest seed that it saw, if any; a failure ends
// the search.
func Search(ctx context.Context, first, count uint64, n, threads int) (int, *Found) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seeds := make(chan uint64)
	go func() {
		defer close(seeds)
		for i := range count {
			select {
			case seeds <- first + i:
			case <-ctx.Done():
				return
			}
		}
	}()
	var (
		group sync.WaitGroup
		mu    sync.Mutex // guards what follows
		runs  int
		found *Found
	)
	for range max(threads, 1) {
		group.Go(func() {
			for seed := range seeds {
				s := Random(seed, n)
				r, err := Run(s)
				mu.Lock()
				runs++
				if (err != nil || r.Verdict != Pass) && (found == nil || seed < found.Scenario.Seed) {
					found = &Found{Scenario: s, Outcome: r, Err: err}
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return runs, found
}
