package blocksync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/state/tree"
)

// ErrMinority means that this node's state differs from the one that a quorum certified. The node must stop; a restart
// does not help.
var ErrMinority = errors.New("this node's state is not the one that a quorum certified")

// Minority is an ErrMinority: a quorum certified another block at a height than this node executed.
type Minority struct {
	Height remora.Height
	Hash   remora.Hash // of the quorum's block
}

// Error returns height and hash.
func (m *Minority) Error() string {
	return fmt.Sprintf("%v: block %d of the quorum is %s (protocol version here: %d)",
		ErrMinority, m.Height, m.Hash, remora.ProtocolVersion)
}

// Is reports whether target is ErrMinority.
func (m *Minority) Is(target error) bool { return target == ErrMinority }

const (
	// examineTime bounds the examination before the node stops.
	examineTime = 10 * time.Second
	// formWait is the time that a peer may wait for the certificate of a block before it answers.
	formWait = time.Second
)

// Examiner finds the first block and the first row in which this node's state differs from the quorum's. It asks other
// validators and accepts only answers that hash to something that a quorum signed.
type Examiner struct {
	Self      remora.Authority
	Committee *trust.Committee
	Store     *store.Store
	Head      *head.Head
	Client    *peers.Client
	Counts    *metrics.Counts
	Log       *slog.Logger
}

// Watch wraps a loop that executes blocks. If the loop ends because this node is in the minority, the examiner finds where
// the states differ.
func (x *Examiner) Watch(loop func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error { return x.explainEnd(ctx, loop(ctx)) }
}

// explainEnd returns the error with which a loop ends: err itself or, if this node is in the minority, an ErrMinority that
// names the first block that differs and, if possible, the first row.
func (x *Examiner) explainEnd(ctx context.Context, err error) error {
	d, diverged := errors.AsType[*exec.Divergence](err)
	m, outvoted := errors.AsType[*Minority](err)
	switch {
	case diverged:
		x.Counts.Diverged.Store(uint64(d.Height))
	case outvoted:
		x.Counts.Diverged.Store(uint64(m.Height))
	default:
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	if !diverged {
		var failed error
		if d, failed = x.findDivergence(ctx, *m); failed != nil {
			err = fmt.Errorf("%w; where it begins is not known: %w", err, failed)
		}
	}
	if d != nil {
		d.Row = x.findRow(ctx, d)
		err = d
	}
	return AnnounceStop(x.Log, err)
}

// AnnounceStop logs that the node stops, and returns the error as an ErrMinority.
func AnnounceStop(log *slog.Logger, err error) error {
	log.Error("the state diverged: this node stops, do not restart it before you have read: remora explain STATE_DIVERGED",
		slog.Any("reason", err))
	if errors.Is(err, ErrMinority) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrMinority, err)
}

// findDivergence follows the parent hashes down from a block that differs to the lowest block that differs.
func (x *Examiner) findDivergence(ctx context.Context, m Minority) (*exec.Divergence, error) {
	for height, hash := m.Height, m.Hash; ; height-- {
		theirs, err := x.findHeader(ctx, height, hash)
		if err != nil {
			return nil, err
		}
		ours, err := x.Store.Block(height)
		if err != nil {
			return nil, err
		}
		if theirs.Parent == ours.Header.Parent || height == 1 {
			d := &exec.Divergence{Height: height, Expected: *theirs, Got: ours.Header}
			d.View, _ = x.Head.Past(height)
			return d, nil
		}
		hash = theirs.Parent
	}
}

// findHeader asks the peers for the header with a hash. A quorum has signed that hash, or the hash of a child.
func (x *Examiner) findHeader(ctx context.Context, height remora.Height, hash remora.Hash) (*remora.BlockHeader, error) {
	request := peers.RangeRequest{From: height, Count: 1, Wait: uint16(formWait.Milliseconds())}
	var found *remora.BlockHeader
	err := x.tryPeers(ctx, func(ctx context.Context, peer remora.Authority) error {
		got, err := x.Client.AskBlocks(ctx, peer, request)
		if err != nil {
			return err
		}
		if len(got.Blocks) == 0 {
			return fmt.Errorf("authority %d has no certificate of block %d", peer, height)
		}
		h := &got.Blocks[0].Block.Header
		if h.Hash() != hash {
			return fmt.Errorf("%w: asked authority %d for block %s, got %s", remora.ErrInvalid, peer, hash, h.Hash())
		}
		found = h
		return nil
	})
	return found, err
}

// tryPeers tries one peer after the other until one succeeds.
func (x *Examiner) tryPeers(ctx context.Context, try func(ctx context.Context, peer remora.Authority) error) error {
	failures := errors.New("no other validator could be asked")
	for a := range remora.Authority(x.Committee.Size()) {
		if a == x.Self {
			continue
		}
		trying, cancel := context.WithTimeout(ctx, peers.AskTimeout)
		err := try(trying, a)
		cancel()
		if err == nil {
			return nil
		}
		failures = errors.Join(failures, err)
	}
	return failures
}

// findRow returns the first row that differs after the block. It is nil if only the header differs, or if no peer still
// has the state after that block.
func (x *Examiner) findRow(ctx context.Context, d *exec.Divergence) *exec.Row {
	if d.View.Tree.Root() != d.Got.StateRoot || d.Got.StateRoot == d.Expected.StateRoot {
		return nil
	}
	var row *exec.Row
	err := x.tryPeers(ctx, func(ctx context.Context, peer remora.Authority) error {
		found, _, err := d.View.Tree.Difference(d.Expected.StateRoot, func(at tree.Path) (tree.Node, error) {
			return x.Client.AskTreeNode(ctx, peer, d.Height, at)
		})
		if err != nil {
			return err
		}
		row = &exec.Row{Place: found.Key, Expected: exec.Value{Hash: found.Theirs}, Got: exec.Value{Hash: found.Ours}}
		if c, ok := peers.FindChange(d.View.Changes, found.Key); ok {
			row.Table, row.Key, row.Got.Bytes = c.Table, c.Key, c.Value
		}
		// The row is named without the peer's change if this node changed it.
		c, err := x.Client.AskChange(ctx, peer, d.Height, found)
		if err == nil {
			row.Table, row.Key, row.Expected.Bytes = c.Table, c.Key, c.Value
		}
		return nil
	})
	if err != nil {
		x.Log.Warn("the first row that differs is not known", slog.Any("reason", err))
	}
	return row
}
