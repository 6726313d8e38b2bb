package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

// Pauses is a seeded schedule: validators are stopped for a time and continue as if nothing had happened. Two stopped
// at once leave no quorum.
type Pauses struct {
	Seed              uint64
	Count             int
	Shortest, Longest time.Duration
}

// RunPauses carries the schedule out. After each pause every validator has to execute a new block.
func (n *Network) RunPauses(ctx context.Context, p Pauses) error {
	chance := rand.New(rand.NewPCG(p.Seed, 0))
	for i := range p.Count {
		frozen := chance.Perm(Validators)[:1+chance.IntN(2)]
		var pausing errgroup.Group
		for _, v := range frozen {
			d := p.Shortest + randomUpTo(chance, p.Longest-p.Shortest)
			pausing.Go(func() error { return n.Pause(ctx, v, d) })
		}
		if err := errors.Join(pausing.Wait(), n.awaitProgress(ctx)); err != nil {
			return fmt.Errorf("pause %d, of validators %v: %w", i+1, frozen, err)
		}
	}
	return nil
}
