// Package replay audits a chain against its genesis, without trust in the source of its blocks.
//
// A [Source] is a running node ([Remote]) or a copy of a node's home ([OpenHome]), which is never written to. [Verify] checks
// certificates, links and contents of blocks on all cores. [Replay] also executes every transaction, in a store of its own,
// and compares the outcome with what the quorum signed. Both audit from block 1, wait for the certificate of the last block
// if it has not formed yet, and return a [Summary].
//
// The error is an *exec.Divergence if execution of a certified block differs, [ErrNotCertified] if the source lacks a
// certificate, and [ErrUnverified] for everything else that does not follow from the genesis. Blocks are streamed: memory
// holds the state's tree and a few blocks.
package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/light"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/state"
)

// ErrUnverified says that blocks do not follow from the genesis.
var ErrUnverified = light.ErrUnverified

// ErrNotCertified says that the source has no certificate for the last block.
var ErrNotCertified = client.ErrNotCertified

// certificateWait is the time to wait for a certificate that has not formed yet.
const certificateWait = 5 * time.Second

// Source provides certified blocks. It is not trusted.
type Source interface {
	// Tip returns the height of the newest block with a certificate, 0 when there is none.
	Tip(ctx context.Context) (remora.Height, error)
	// Blocks visits the blocks from one height to another, both included, in order. Only the last one needs a certificate:
	// the chain of parents leads from it to the others.
	Blocks(ctx context.Context, from, to remora.Height, visit func(*remora.CertifiedBlock) error) error
}

// Summary is the outcome of an audit.
type Summary struct {
	From      remora.Height `json:"from"`
	To        remora.Height `json:"to"`
	Blocks    int           `json:"blocks"`
	Txs       int           `json:"txs"`
	StateRoot remora.Hash   `json:"state_root"` // after block To
	Matches   bool          `json:"matches"`
}

// Replay executes every block up to a height, or if that is 0 up to the newest certified one, and compares the outcome
// with what the quorum signed. A difference is an *exec.Divergence.
func Replay(ctx context.Context, g *remora.Genesis, source Source, to remora.Height) (Summary, error) {
	a, to, err := startAudit(ctx, g, source, to)
	if err != nil {
		return Summary{}, err
	}
	dir, err := os.MkdirTemp("", "remora-replay-")
	if err != nil {
		return Summary{}, err
	}
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		return Summary{}, errors.Join(err, os.RemoveAll(dir))
	}
	summary, err := a.executeBlocks(ctx, st, source, to)
	return summary, errors.Join(err, st.Close(), os.RemoveAll(dir))
}

// inspected is a block whose certificate, links and contents are verified.
type inspected struct {
	header  *remora.BlockHeader
	signed  bool // has a certificate of its own
	subDAG  remora.SubDAG
	batches []remora.Batch
}

// executeBlocks executes the blocks. It reads and inspects the next one meanwhile.
func (a *audit) executeBlocks(ctx context.Context, st *store.Store, source Source, to remora.Height) (Summary, error) {
	executor, err := exec.Open(a.genesis, st)
	if err != nil {
		return Summary{}, err
	}
	view := executor.View()
	summary := Summary{From: 1, StateRoot: view.Tree.Root()}
	blocks := make(chan inspected)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(blocks)
		return a.walkBlocks(ctx, source, to, func(cb *remora.CertifiedBlock, previous remora.Hash) error {
			j := job{cb, previous}
			if err := a.checkCertificates([]job{j}); err != nil {
				return err
			}
			batches, err := a.checkContent(j)
			if err != nil {
				return err
			}
			return handOver(ctx, blocks, inspected{&cb.Block.Header, cb.Certificate != nil, cb.Block.SubDAG(previous), batches})
		})
	})
	group.Go(func() error {
		for b := range blocks {
			block, err := executor.Execute(b.subDAG, b.batches, b.header)
			if errors.Is(err, state.ErrInput) || errors.Is(err, exec.ErrDiverged) && !b.signed {
				return fmt.Errorf("%w: %v", ErrUnverified, err) // the source may have invented the block
			}
			if err != nil {
				return err
			}
			summary.addBlock(block)
		}
		return nil
	})
	err = group.Wait()
	summary.Matches = err == nil
	return summary, err
}

// handOver sends v, unless ctx ends first.
func handOver[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Summary) addBlock(b *remora.Block) {
	r.To, r.StateRoot = b.Header.Height, b.Header.StateRoot
	r.Blocks++
	r.Txs += len(b.Results)
}

// audit holds the genesis and what follows from it.
type audit struct {
	genesis   *remora.Genesis
	origin    remora.Hash
	committee *trust.Committee
}

// startAudit checks the genesis, and waits until the source has the certificate of a height. It returns the audit and the
// height, the newest certified one in place of 0.
func startAudit(ctx context.Context, g *remora.Genesis, source Source, to remora.Height) (*audit, remora.Height, error) {
	if err := state.CheckGenesis(g, exec.NewVerifier()); err != nil {
		return nil, 0, fmt.Errorf("genesis: %w", err)
	}
	members, err := g.Committee()
	if err != nil {
		return nil, 0, fmt.Errorf("genesis: %w", err)
	}
	committee, err := trust.New(members)
	if err != nil {
		return nil, 0, fmt.Errorf("genesis: %w", err)
	}
	to, err = awaitHeight(ctx, source, to)
	return &audit{genesis: g, origin: g.Hash(), committee: committee}, to, err
}

// awaitHeight waits until the source has the certificate of a height, and returns that. 0 stands for the newest.
func awaitHeight(ctx context.Context, source Source, to remora.Height) (remora.Height, error) {
	limited, cancel := context.WithTimeout(ctx, certificateWait)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		tip, err := source.Tip(ctx)
		if err != nil {
			return 0, err
		}
		if to == 0 {
			return tip, nil
		}
		if to <= tip {
			return to, nil
		}
		select {
		case <-ticker.C:
		case <-limited.Done():
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			return 0, fmt.Errorf("%w: block %d; the newest certified block of the source is %d", ErrNotCertified, to, tip)
		}
	}
}

// walkBlocks visits the blocks in order, each with the digest of the sub-DAG before it. It checks that they are linked from
// the genesis to a last one that has a certificate.
func (a *audit) walkBlocks(ctx context.Context, source Source, to remora.Height, visit func(*remora.CertifiedBlock, remora.Hash) error) error {
	if to == 0 {
		return nil
	}
	previous := link{hash: a.origin, subDAG: a.origin, time: a.genesis.Time}
	err := source.Blocks(ctx, 1, to, func(cb *remora.CertifiedBlock) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		next, err := a.followBlock(previous, &cb.Block.Header)
		if err != nil {
			return err
		}
		if next.height == to && cb.Certificate == nil {
			return fmt.Errorf("%w: block %d", ErrNotCertified, to)
		}
		if err := visit(cb, previous.subDAG); err != nil {
			return err
		}
		previous = next
		return nil
	})
	if err == nil && previous.height != to {
		err = fmt.Errorf("%w: the source ended at block %d of %d", ErrNotCertified, previous.height, to)
	}
	return err
}
