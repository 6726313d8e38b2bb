package node

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// Run starts every goroutine of the node and returns when ctx ends, or with the first failure after which the node must
// stop. It may be called once; Close follows it.
//
// The goroutines: the network host's own; one that tells it who is registered; those of the roles, which the Loops methods of
// validator, follower and services list; the API server's own; the metrics server's own; watchClock.
func (n *Node) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.host.Run(ctx) })
	group.Go(func() error { return n.directory.follow(ctx) })
	group.Go(func() error { return n.watchClock(ctx) })
	for _, r := range n.roles {
		for _, loop := range r.Loops() {
			group.Go(func() error { return loop(ctx) })
		}
	}
	for _, serve := range n.servers {
		group.Go(func() error { return serve(ctx) })
	}
	return group.Wait()
}
