package node

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// Run starts every goroutine of the node and returns when ctx ends, or with the first failure after which the node must
// not go on. It may be called once; Close follows it.
//
// The goroutines of a validator: 1 primary (mempool core and commit rule), 1 batcher (worker core), 1 engine (executor
// and block certificates), GOMAXPROCS verifiers, a fetcher per peer. While certified blocks are synced, 1 puller and its questions. Those of a follower: 1 follower (certified blocks into the
// executor), and with content 1 that registers the node; at a cache also 1 for what it holds (app/cache, three loops) and
// 1 for what it earns (app/delivery); at a gateway 1 for its web server. Of all: the network host's own, the RPC server's
// own, the metrics server's own.
//
// A validator's messages flow verifier → primary → engine → batcher → primary; the primary never waits for another loop,
// so no cycle can block.
func (n *Node) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.host.Run(ctx) })
	for _, loop := range n.loops {
		group.Go(func() error { return loop(ctx) })
	}
	group.Go(func() error { return n.rpc.Run(ctx) })
	if n.metrics != nil {
		group.Go(func() error { return n.metrics.Run(ctx) })
	}
	return group.Wait()
}
