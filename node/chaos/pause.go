package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

// Pauses is a seeded schedule: validators stand still for a time and go on as if nothing had happened. Two at once leave
// no quorum.
type Pauses struct {
	Seed              uint64
	Count             int
	Shortest, Longest time.Duration
}

// Freeze carries the schedule out. After each pause every validator has to execute something new.
func (n *Network) Freeze(ctx context.Context, p Pauses) error {
	chance := rand.New(rand.NewPCG(p.Seed, 0))
	for i := range p.Count {
		frozen := chance.Perm(Validators)[:1+chance.IntN(2)]
		var pausing errgroup.Group
		for _, v := range frozen {
			d := p.Shortest + between(chance, p.Longest-p.Shortest)
			pausing.Go(func() error { return n.Pause(ctx, v, d) })
		}
		if err := errors.Join(pausing.Wait(), n.breathe(ctx)); err != nil {
			return fmt.Errorf("pause %d, of validators %v: %w", i+1, frozen, err)
		}
	}
	return nil
}
