package node

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// fetchers is how many wants are asked of peers at a time.
const fetchers = 4

// Run starts every goroutine of the node and returns when ctx ends, or with the first failure after which the node must
// not go on. It may be called once; Close follows it.
//
// The goroutines: 1 primary (mempool core and commit rule), 1 batcher (worker core), 1 engine (executor and block
// certificates), GOMAXPROCS verifiers, 4 fetchers, the network host's own, the RPC server's own, the metrics server's
// own. Messages flow verifier → primary → engine → batcher → primary; the primary never waits for another loop, so no
// cycle can block.
func (n *Node) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.host.Run(ctx) })
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error { return n.verifier.run(ctx) })
	}
	for range fetchers {
		group.Go(func() error { return n.fetcher.run(ctx) })
	}
	group.Go(func() error { return n.batcher.run(ctx) })
	group.Go(func() error { return n.primary.run(ctx) })
	group.Go(func() error { return n.engine.run(ctx) })
	group.Go(func() error { return n.rpc.Run(ctx) })
	if n.metrics != nil {
		group.Go(func() error { return n.metrics.Run(ctx) })
	}
	return group.Wait()
}
