package replay

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/remora-network/remora"
)

// Verify checks certificates, contents and links of the blocks up to a height, to the newest certified one when it is 0,
// on all cores and without executing anything. What does not follow from the genesis is ErrUnverified.
func Verify(ctx context.Context, g *remora.Genesis, source Source, to remora.Height) (Report, error) {
	a, err := newAudit(g)
	if err != nil {
		return Report{}, err
	}
	if to, err = await(ctx, source, to); err != nil {
		return Report{}, err
	}
	report := Report{From: 1}
	group, ctx := errgroup.WithContext(ctx)
	type job struct {
		block    *remora.CertifiedBlock
		previous remora.Hash
	}
	// Unbuffered: as many blocks are in memory as there are workers, and one that is being read.
	jobs := make(chan job)
	group.Go(func() error {
		defer close(jobs)
		return a.walk(ctx, source, to, func(cb *remora.CertifiedBlock, previous remora.Hash) error {
			report.add(&cb.Block)
			return hand(ctx, jobs, job{cb, previous})
		})
	})
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			for j := range jobs {
				if _, err := a.inspect(j.block, j.previous); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = group.Wait()
	report.Matches = err == nil
	return report, err
}
