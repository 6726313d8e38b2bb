package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/rpc"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
)

// patience is how long a validator may wait for its next block before it answers a follower that there is none.
const patience = 2 * time.Second

// follower executes the blocks that the validators certified, as they come. It owns the executor.
type follower struct {
	sync      *syncer
	exec      *exec.Executor
	store     *store.Store
	head      *head.Head
	committee *trust.Committee
	counts    *counts
}

func (f *follower) run(ctx context.Context) error {
	if err := f.sync.catchUp(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	for peer := int(time.Now().UnixNano() % int64(f.committee.Size())); ctx.Err() == nil; peer = (peer + 1) % f.committee.Size() {
		began := time.Now()
		executed, newest, err := f.sync.from(ctx, remora.Authority(peer), patience)
		if err == nil && newest >= f.exec.View().Tip.Height+syncBlocks {
			err = f.sync.catchUp(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if executed == 0 && time.Since(began) < patience/4 && pause(ctx, 50*time.Millisecond) != nil {
			return nil
		}
	}
	return nil
}

// publish tells everyone of the state after blocks that are durable, with their certificates.
func (f *follower) publish(_ context.Context, blocks []*remora.Block) error {
	last := blocks[len(blocks)-1]
	if err := f.head.Publish(head.NewView(f.store, f.exec.View(), last)); err != nil {
		return err
	}
	f.counts.lastBlock.Store(time.Now().UnixMilli())
	f.counts.round.Store(uint64(last.DAG[len(last.DAG)-1].Round))
	for _, b := range blocks {
		f.counts.executed.Add(uint64(len(b.Results)))
	}
	return f.head.Certify(last.Header.Height)
}

// forwarder passes transactions of a follower's clients on to a validator.
type forwarder struct {
	committee *trust.Committee
	host      *p2p.Host
}

// submit returns the batches that took the transactions, durable at the validators that answered. On failure it returns
// those of the first ones, which were taken.
func (f *forwarder) submit(ctx context.Context, txs [][]byte) ([]remora.Hash, error) {
	var taken []remora.Hash
	for len(txs) > 0 {
		n, size := 0, 0
		for n < len(txs) && size+len(txs[n]) < maxSubmitBytes-maxSubmitBytes/8 {
			size += len(txs[n])
			n++
		}
		digests, err := f.pass(ctx, txs[:n])
		taken = append(taken, digests...)
		if err != nil {
			return taken, err
		}
		txs = txs[n:]
	}
	return taken, nil
}

// connectWait is how long transactions wait for a validator to be connected, as after a start.
const connectWait = 5 * time.Second

// pass hands some transactions to a validator. One that does not answer is left for the next: a transaction may then be
// in two batches, and executes once by its nonce. Nobody to hand them to is a busy node: clients come back.
func (f *forwarder) pass(ctx context.Context, txs [][]byte) ([]remora.Hash, error) {
	request := remora.Encode(listAnswer{Items: txs})
	for began := time.Now(); ; {
		digests, err := f.tryAll(ctx, request, len(txs))
		if !errors.Is(err, p2p.ErrNotConnected) || ctx.Err() != nil {
			return digests, err
		}
		if time.Since(began) > connectWait {
			return nil, errors.Join(rpc.ErrBusy, err)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func (f *forwarder) tryAll(ctx context.Context, request []byte, count int) ([]remora.Hash, error) {
	start := int(time.Now().UnixNano() % int64(f.committee.Size()))
	var failures error
	for i := range f.committee.Size() {
		m := f.committee.Members[(start+i)%f.committee.Size()]
		answer, err := f.host.Request(ctx, m.PeerID, askSubmit, request, maxAnswer)
		if err == nil {
			return decodeDigests(answer, count)
		}
		var refused *p2p.RemoteError
		if ctx.Err() != nil || errors.As(err, &refused) && refused.Code == p2p.CodeInvalid {
			return nil, err
		}
		failures = errors.Join(failures, fmt.Errorf("validator %q: %w", m.Name, err))
	}
	return nil, fmt.Errorf("no validator took the transactions: %w", failures)
}

func decodeDigests(answer []byte, want int) ([]remora.Hash, error) {
	items, err := decodeAnswer(answer)
	if err != nil {
		return nil, err
	}
	if len(items) != want {
		return nil, fmt.Errorf("%w: %d digests for %d transactions", remora.ErrInvalid, len(items), want)
	}
	digests := make([]remora.Hash, want)
	for i, item := range items {
		if len(item) != remora.HashSize {
			return nil, fmt.Errorf("%w: digest of %d bytes", remora.ErrInvalid, len(item))
		}
		digests[i] = remora.Hash(item)
	}
	return digests, nil
}
