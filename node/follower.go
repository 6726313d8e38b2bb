package node

import (
	"context"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
)

// patience is how long a validator may wait for its next block before it answers a follower that there is none.
const patience = 2 * time.Second

// follower is the role of a node that executes the blocks that the validators certified, as they come, and passes
// transactions on to them. Its loop owns the executor.
type follower struct {
	*peers.Client
	sync      *blocksync.Syncer
	examiner  *blocksync.Examiner
	exec      *exec.Executor
	store     *store.Store
	head      *head.Head
	host      *p2p.Host
	committee *trust.Committee
	counts    *metrics.Counts
	observer  string // why a validator only follows; empty: it does not
}

func (n *Node) newFollower(executor *exec.Executor) *follower {
	nobody := remora.Authority(n.committee.Size()) // every authority is another one
	client := peers.NewClient(n.committee, n.host.Request)
	f := &follower{
		Client: client, exec: executor, store: n.store, head: n.head, host: n.host, committee: n.committee, counts: &n.counts,
		observer: n.config.Observer,
	}
	f.sync = blocksync.New(blocksync.Config{
		Self: nobody, Committee: n.committee, Executor: executor, Store: n.store, Log: n.config.Logger,
		Ask: client.AskBlocks, Done: f.publishBlocks,
		Gather: peers.NewGatherer(client, n.store, peers.NewSources(nobody, n.committee.Size())).Gather,
	})
	f.examiner = &blocksync.Examiner{
		Self: nobody, Committee: n.committee, Store: n.store, Head: n.head, Client: client, Counts: &n.counts, Log: n.config.Logger,
	}
	return f
}

// Loops returns the goroutine that executes certified blocks.
func (f *follower) Loops() []func(context.Context) error {
	return []func(context.Context) error{f.examiner.Watch(f.followBlocks)}
}

// Handlers returns nothing: a follower answers what every node answers.
func (f *follower) Handlers() map[string]p2p.Handler { return nil }

// Unready says why clients should not use this node.
func (f *follower) Unready() []string {
	var reasons []string
	if f.observer != "" {
		reasons = append(reasons, "observes only and signs nothing, after equal crashes in a row: "+f.observer)
	}
	if len(f.host.Connected()) == 0 {
		reasons = append(reasons, "connected to no validator")
	}
	return reasons
}

func (f *follower) followBlocks(ctx context.Context) error {
	if err := f.sync.CatchUp(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	for peer := int(time.Now().UnixNano() % int64(f.committee.Size())); ctx.Err() == nil; peer = (peer + 1) % f.committee.Size() {
		began := time.Now()
		executed, newest, err := f.sync.Follow(ctx, remora.Authority(peer), patience)
		if err == nil && newest >= f.exec.View().Tip.Height+blocksync.QuestionBlocks {
			err = f.sync.CatchUp(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if executed == 0 && time.Since(began) < patience/4 {
			_ = peers.Pause(ctx, 50*time.Millisecond)
		}
	}
	return nil
}

// publishBlocks publishes the state after blocks that are durable, with their certificates.
func (f *follower) publishBlocks(_ context.Context, blocks []*remora.Block) error {
	last := blocks[len(blocks)-1]
	if err := f.head.Publish(head.NewView(f.store, f.exec.View(), last)); err != nil {
		return err
	}
	f.counts.CountBlocks(blocks)
	f.counts.Round.Store(uint64(last.DAG[len(last.DAG)-1].Round))
	return f.head.Certify(last.Header.Height)
}
