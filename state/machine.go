package state

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/payload"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/tree"
)

// ErrInput says that a sub-DAG or its batches do not continue the view: wrong order, wrong or missing batches, headers
// that no committee of this chain made. Fetch them again, from another node if they came from one.
var ErrInput = errors.New("input does not continue the state")

// Tip is the part of the last block that the next one needs and the state root does not bind. The shell stores it beside the
// block.
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
	// Changes are those of the block at Tip: the rows in which this view differs from the one before. They are nil in a view
	// that was not made by executing that block.
	Changes []table.Change
}

// Outcome is a block with its effects on the state. The shell makes all of it durable in one step.
type Outcome struct {
	Block   remora.Block   // zero for the genesis state
	Changes []table.Change // sorted by table and key, one per key
	Tree    tree.Tree      // after the changes
	Fate    payload.Fate   // of the batches that the sub-DAG lists
	tip     Tip
}

// Tip returns the tip after the block.
func (o *Outcome) Tip() Tip { return o.tip }

// View returns the view after the block. The tables are those after its changes.
func (o *Outcome) View(tables table.View) View {
	return View{Tables: tables, Tree: o.Tree, Tip: o.tip, Changes: o.Changes}
}

// Machine applies blocks of one chain. It holds constants only: any number of callers may share it.
type Machine struct {
	genesis   *remora.Genesis
	origin    remora.Hash // the genesis hash: block 1 and the first sub-DAG name it as their predecessor
	committee *remora.Committee
}

// NewMachine returns the machine of the chain that starts from g. It keeps g, which must not change. The error lists
// everything that is wrong with g except proofs of possession, which Genesis checks.
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

// BuildTree returns the tree over all rows of the tables. A node resumes with it: the disk keeps rows only.
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
	return tree.Tree{}.Update(leaves)
}

// updateTree returns the tree after the changes.
func updateTree(t tree.Tree, changes []table.Change) (tree.Tree, error) {
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
