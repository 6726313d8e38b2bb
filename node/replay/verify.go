package replay

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/remora-network/remora"
)

// Bounds of the blocks that a worker verifies at once: together their certificates cost half, but blocks take memory.
const (
	groupBlocks = 64
	groupBytes  = 8 << 20
)

// Verify checks certificates, links and contents of the blocks up to a height, or if that is 0 up to the newest certified
// one, on all cores. It executes nothing.
func Verify(ctx context.Context, g *remora.Genesis, source Source, to remora.Height) (Summary, error) {
	a, to, err := startAudit(ctx, g, source, to)
	if err != nil {
		return Summary{}, err
	}
	summary := Summary{From: 1}
	group, ctx := errgroup.WithContext(ctx)
	// Unbuffered: memory holds one group per worker, and the one that is being read.
	groups := make(chan []job)
	group.Go(func() error {
		defer close(groups)
		return a.readGroups(ctx, source, to, groups, &summary)
	})
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			for group := range groups {
				if err := a.verifyGroup(group); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = group.Wait()
	summary.Matches = err == nil
	return summary, err
}

// readGroups splits the chain into groups of blocks.
func (a *audit) readGroups(ctx context.Context, source Source, to remora.Height, groups chan<- []job, summary *Summary) error {
	var group []job
	size := 0
	err := a.walkBlocks(ctx, source, to, func(cb *remora.CertifiedBlock, previous remora.Hash) error {
		summary.addBlock(&cb.Block)
		group = append(group, job{cb, previous})
		for _, b := range cb.Batches {
			size += len(b)
		}
		if len(group) < groupBlocks && size < groupBytes {
			return nil
		}
		full := group
		group, size = nil, 0
		return handOver(ctx, groups, full)
	})
	if err != nil || len(group) == 0 {
		return err
	}
	return handOver(ctx, groups, group)
}

func (a *audit) verifyGroup(group []job) error {
	if err := a.checkCertificates(group); err != nil {
		return err
	}
	for _, j := range group {
		if _, err := a.checkContent(j); err != nil {
			return err
		}
	}
	return nil
}
