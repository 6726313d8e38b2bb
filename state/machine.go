// Package state is the deterministic state machine: a committed sub-DAG and the bytes of its batches in, a block with
// its results and the state after it out. The same inputs give the same bytes on every node, live or years later.
//
// A transaction can fail; it can never panic, stop the chain or be executed twice. An error of Apply says that its
// caller broke the contract (ErrInput) or that the state on disk is damaged (remora.ErrCorrupt), never that a
// transaction was bad.
package state

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/tree"
)

// ErrInput says that a sub-DAG or its batches do not continue the view: wrong order, wrong or missing batches, headers
// that no committee of this chain made. Fetch them anew, from another node if they came from one.
var ErrInput = errors.New("input does not continue the state")

// Tip is what the next block must know of the last one and the state root does not bind. The shell stores it beside
// the block.
type Tip struct {
	_      struct{} `cbor:",toarray"`
	Height remora.Height
	Hash   remora.Hash // of the block's header, of the genesis at height 0
	Time   remora.Millis
	SubDAG remora.Hash // digest of the block's sub-DAG, the genesis hash at height 0
}

// View is the immutable state at a height.
type View struct {
	Tables table.View
	Tree   tree.Tree // over all rows of Tables
	Tip    Tip
	// Changes are those of the block at Tip, nil in a view that was not made by executing it. They tell the rows by which
	// this view differs from the one before.
	Changes []table.Change
}

// Outcome is what a block does to the state. The shell makes all of it durable in one step.
type Outcome struct {
	Block   remora.Block   // zero for the genesis state
	Changes []table.Change // sorted by table and key, one per key
	Tree    tree.Tree      // after the changes
	// Expired is payload of the sub-DAG that was not executed because it was sealed in another epoch than the block's
	// and the one before. Its author must seal the transactions anew.
	Expired []remora.BatchRef
	tip     Tip
}

// Tip returns the tip after the block.
func (o *Outcome) Tip() Tip { return o.tip }

// View returns the view after the block, given its tables with the changes made.
func (o *Outcome) View(tables table.View) View {
	return View{Tables: tables, Tree: o.Tree, Tip: o.tip, Changes: o.Changes}
}

// Machine applies blocks of one chain. It holds constants only: any number of callers may share it.
type Machine struct {
	genesis   *remora.Genesis
	origin    remora.Hash
	committee *remora.Committee
}

// NewMachine returns the machine of the chain that starts from g, which it keeps and which must not change. The error
// lists everything that is wrong with g, except for proofs of possession, which Genesis checks.
func NewMachine(g *remora.Genesis) (*Machine, error) {
	if err := g.Check(); err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	committee, err := g.Committee()
	if err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	return &Machine{genesis: g, origin: g.Hash(), committee: committee}, nil
}

// Committee returns the committee of the present term.
func (m *Machine) Committee() *remora.Committee { return m.committee }

// Origin returns the genesis hash: the parent of block 1 and what the first sub-DAG follows.
func (m *Machine) Origin() remora.Hash { return m.origin }

// BuildTree returns the tree over all rows of the tables, to resume from a disk that keeps the rows only.
func BuildTree(v table.View) (tree.Tree, error) {
	var leaves []tree.Change
	for _, t := range table.All() {
		err := v.Ascend(t, nil, func(key, value []byte) bool {
			leaves = append(leaves, tree.Set(tree.KeyHash(byte(t), key), value))
			return true
		})
		if err != nil {
			return tree.Tree{}, err
		}
	}
	return tree.Build(leaves)
}

// grow returns the tree after the changes.
func grow(t tree.Tree, changes []table.Change) (tree.Tree, error) {
	leaves := make([]tree.Change, len(changes))
	for i, c := range changes {
		key := tree.KeyHash(byte(c.Table), c.Key)
		if c.Value == nil {
			leaves[i] = tree.Delete(key)
		} else {
			leaves[i] = tree.Set(key, c.Value)
		}
	}
	return t.Update(leaves)
}
