package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/tree"
)

// ErrMinority says that this node's state is not the one that a quorum certified. The node must stop, and a restart does
// not mend it.
var ErrMinority = errors.New("this node's state is not the one that a quorum certified")

// minority is an ErrMinority: a quorum has another block at a height than this node executed there.
type minority struct {
	height remora.Height
	hash   remora.Hash // of the quorum's block
}

// Error returns height and hash.
func (m *minority) Error() string {
	return fmt.Sprintf("%v: block %d of the quorum is %s (protocol version here: %d)", ErrMinority, m.height, m.hash, remora.ProtocolVersion)
}

// Is makes a minority an ErrMinority.
func (m *minority) Is(target error) bool { return target == ErrMinority }

const (
	// examineTime bounds how long a node looks for the reason before it stops.
	examineTime = 10 * time.Second
	// formWait is how long a peer may wait for the certificate of a block of which it has signed the share.
	formWait = time.Second
)

// examiner finds out where this node's state parts from the quorum's, before the node stops. It asks the peers whose
// state is the right one, and believes nothing but what hashes to what a quorum signed.
type examiner struct {
	self      remora.Authority
	committee *trust.Committee
	store     *store.Store
	head      *head.Head
	ask       func(ctx context.Context, peer remora.Authority, protocol string, request any) ([][]byte, error)
	blocks    func(ctx context.Context, peer remora.Authority, request rangeRequest) (*span, error)
	counts    *counts
	log       *slog.Logger
}

// examine returns the error with which a loop ends: err itself, unless it says that this node is in the minority. Then it
// is an ErrMinority that names the first block that differs and, if it can be found out, the first row.
func (x *examiner) examine(ctx context.Context, err error) error {
	d, height, concerned := accusation(err)
	if !concerned {
		return err
	}
	x.counts.diverged.Store(uint64(height))
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	if m, ok := errors.AsType[*minority](err); ok && d == nil {
		var failed error
		if d, failed = x.parting(ctx, *m); failed != nil {
			err = fmt.Errorf("%w; where it begins could not be found out: %w", err, failed)
		}
	}
	if d != nil {
		d.Row = x.row(ctx, d)
		err = d
	}
	return stopping(x.log, err)
}

// accusation reports whether an error says that this node is in the minority, and at which height.
func accusation(err error) (*exec.Divergence, remora.Height, bool) {
	if d, ok := errors.AsType[*exec.Divergence](err); ok {
		return d, d.Height, true
	}
	if m, ok := errors.AsType[*minority](err); ok {
		return nil, m.height, true
	}
	return nil, 0, false
}

// stopping tells the operator, once, and makes the error an ErrMinority.
func stopping(log *slog.Logger, err error) error {
	log.Error("the state diverged: this node stops, do not restart it before you have read: remora explain STATE_DIVERGED", slog.Any("reason", err))
	if errors.Is(err, ErrMinority) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrMinority, err)
}

// parting walks down from a block that differs to the first one that does, along the hashes of the parents.
func (x *examiner) parting(ctx context.Context, m minority) (*exec.Divergence, error) {
	for height, hash := m.height, m.hash; ; height-- {
		theirs, err := x.header(ctx, height, hash)
		if err != nil {
			return nil, err
		}
		ours, err := x.store.Block(height)
		if err != nil {
			return nil, err
		}
		if theirs.Parent == ours.Header.Parent || height == 1 {
			d := &exec.Divergence{Height: height, Expected: *theirs, Got: ours.Header}
			d.View, _ = x.head.Past(height)
			return d, nil
		}
		hash = theirs.Parent
	}
}

// header asks the peers for the header with a hash, which a quorum has signed or whose child it has.
func (x *examiner) header(ctx context.Context, height remora.Height, hash remora.Hash) (*remora.BlockHeader, error) {
	request := rangeRequest{From: height, Count: 1, Wait: uint16(formWait.Milliseconds())}
	var found *remora.BlockHeader
	err := x.each(ctx, func(ctx context.Context, peer remora.Authority) error {
		got, err := x.blocks(ctx, peer, request)
		if err != nil {
			return err
		}
		if len(got.blocks) == 0 {
			return fmt.Errorf("authority %d has no certificate of block %d", peer, height)
		}
		h := &got.blocks[0].Block.Header
		if h.Hash() != hash {
			return fmt.Errorf("%w: asked authority %d for block %s, got %s", remora.ErrInvalid, peer, hash, h.Hash())
		}
		found = h
		return nil
	})
	return found, err
}

// each tries one peer after the other until one succeeds.
func (x *examiner) each(ctx context.Context, try func(ctx context.Context, peer remora.Authority) error) error {
	failures := errors.New("no other validator could be asked")
	for a := range remora.Authority(x.committee.Size()) {
		if a == x.self {
			continue
		}
		trying, cancel := context.WithTimeout(ctx, askTimeout)
		err := try(trying, a)
		cancel()
		if err == nil {
			return nil
		}
		failures = errors.Join(failures, err)
	}
	return failures
}

// row returns the first row that differs after the block. It is nil when the states are the same and only the header
// differs, and when nobody keeps the state after that block any more.
func (x *examiner) row(ctx context.Context, d *exec.Divergence) *exec.Row {
	if d.View.Tree.Root() != d.Got.StateRoot || d.Got.StateRoot == d.Expected.StateRoot {
		return nil
	}
	var row *exec.Row
	err := x.each(ctx, func(ctx context.Context, peer remora.Authority) error {
		found, _, err := d.View.Tree.Difference(d.Expected.StateRoot, func(at tree.Path) (tree.Node, error) {
			return x.node(ctx, peer, d.Height, at)
		})
		if err != nil {
			return err
		}
		row = &exec.Row{Place: found.Key, Expected: exec.Value{Hash: found.Theirs}, Got: exec.Value{Hash: found.Ours}}
		if c, ok := changeAt(d.View.Changes, found.Key); ok {
			row.Table, row.Key, row.Got.Bytes = c.Table, c.Key, c.Value
		}
		// The row is named without the peer's change if this node changed it.
		c, err := x.change(ctx, peer, d.Height, found)
		if err == nil {
			row.Table, row.Key, row.Expected.Bytes = c.Table, c.Key, c.Value
		}
		return nil
	})
	if err != nil {
		x.log.Warn("the first row that differs could not be found out", slog.Any("reason", err))
	}
	return row
}

// node asks a peer for a node of its state tree. Whoever asked checks it against the hash above.
func (x *examiner) node(ctx context.Context, peer remora.Authority, height remora.Height, at tree.Path) (tree.Node, error) {
	var n tree.Node
	items, err := x.ask(ctx, peer, askTreeNode, nodeRequest{Height: height, At: at})
	if err != nil {
		return n, err
	}
	if len(items) != 1 {
		return n, fmt.Errorf("%w: %d nodes in an answer", remora.ErrInvalid, len(items))
	}
	return n, remora.Decode(items[0], maxNodeBytes, &n)
}

// change asks a peer how its block changed the row at a place, and checks the answer against the two trees' difference.
func (x *examiner) change(ctx context.Context, peer remora.Authority, height remora.Height, at tree.Difference) (table.Change, error) {
	items, err := x.ask(ctx, peer, askChange, changeRequest{Height: height, Place: at.Key})
	if err != nil {
		return table.Change{}, err
	}
	if len(items) < 2 || len(items) > 3 || len(items[0]) != 1 {
		return table.Change{}, fmt.Errorf("%w: a change of %d parts", remora.ErrInvalid, len(items))
	}
	c, hash := table.Change{Table: table.ID(items[0][0]), Key: items[1]}, remora.Hash{}
	if len(items) == 3 {
		c.Value, hash = items[2], tree.ValueHash(items[2])
	}
	if tree.KeyHash(byte(c.Table), c.Key) != at.Key || hash != at.Theirs {
		return table.Change{}, fmt.Errorf("%w: a change of another row or to another value", remora.ErrInvalid)
	}
	return c, nil
}

// changeAt finds the change of the row at a place of the state tree.
func changeAt(changes []table.Change, place remora.Hash) (table.Change, bool) {
	for _, c := range changes {
		if tree.KeyHash(byte(c.Table), c.Key) == place {
			return c, true
		}
	}
	return table.Change{}, false
}
