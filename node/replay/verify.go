package replay

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/remora-network/remora"
)

// Bounds of what a worker verifies at once: certificates together cost half, blocks take memory.
const (
	chunkBlocks = 64
	chunkBytes  = 8 << 20
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
	// Unbuffered: as many chunks are in memory as there are workers, and one that is being read.
	chunks := make(chan []job)
	group.Go(func() error {
		defer close(chunks)
		return a.read(ctx, source, to, chunks, &report)
	})
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			for chunk := range chunks {
				if err := a.verify(chunk); err != nil {
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

// read cuts the chain into chunks.
func (a *audit) read(ctx context.Context, source Source, to remora.Height, chunks chan<- []job, report *Report) error {
	var chunk []job
	size := 0
	err := a.walk(ctx, source, to, func(cb *remora.CertifiedBlock, previous remora.Hash) error {
		report.add(&cb.Block)
		chunk = append(chunk, job{cb, previous})
		for _, b := range cb.Batches {
			size += len(b)
		}
		if len(chunk) < chunkBlocks && size < chunkBytes {
			return nil
		}
		full := chunk
		chunk, size = nil, 0
		return hand(ctx, chunks, full)
	})
	if err != nil || len(chunk) == 0 {
		return err
	}
	return hand(ctx, chunks, chunk)
}

func (a *audit) verify(chunk []job) error {
	if err := a.certificates(chunk); err != nil {
		return err
	}
	for _, j := range chunk {
		if _, err := a.content(j); err != nil {
			return err
		}
	}
	return nil
}
