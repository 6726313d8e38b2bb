// Package exec is the executor: the one way by which a block becomes state. Live blocks, a restart, block sync, audits
// and simulations all call Execute.
package exec

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state"
)

// ErrDiverged says that executing a block gave another header than the one that came with it. See Divergence.
var ErrDiverged = errors.New("state diverged")

// Divergence names the block at which two executions part.
type Divergence struct {
	Height        remora.Height
	Expected, Got remora.BlockHeader
}

// Error returns height, both state roots and the field that differs first.
func (d *Divergence) Error() string {
	return fmt.Sprintf("%v at block %d: %s; expected state root %s, got %s (protocol version %d)",
		ErrDiverged, d.Height, d.field(), d.Expected.StateRoot, d.Got.StateRoot, remora.ProtocolVersion)
}

// Is makes a Divergence an ErrDiverged.
func (d *Divergence) Is(target error) bool { return target == ErrDiverged }

func (d *Divergence) field() string {
	e, g := &d.Expected, &d.Got
	switch {
	case e.Version != g.Version:
		return fmt.Sprintf("protocol version %d against %d", e.Version, g.Version)
	case e.Parent != g.Parent:
		return "parent differs"
	case e.SubDAG != g.SubDAG:
		return "sub-DAG differs"
	case e.TxRoot != g.TxRoot:
		return "executed batches differ"
	case e.Time != g.Time || e.Epoch != g.Epoch:
		return "time or epoch differs"
	case e.Beacon != g.Beacon:
		return "beacon differs"
	case e.ResultsRoot != g.ResultsRoot:
		return "results differ"
	case e.StateRoot != g.StateRoot:
		return "state differs"
	}
	return "header differs"
}

// Verdicts is a state.Verifier that is told ahead what it will be asked. Verifier is the real one.
type Verdicts interface {
	state.Verifier
	Prime(statements []state.Statement)
	Forget()
}

// Executor applies blocks to the state in a store. It belongs to one goroutine.
type Executor struct {
	machine  *state.Machine
	store    *store.Store
	verifier Verdicts
	view     state.View
}

// Open initialises the store from the genesis when it is empty, or resumes from its newest block. Resuming rebuilds the
// tree from every table and compares the root, so that a silently changed record is found before anything is signed.
func Open(g *remora.Genesis, st *store.Store) (*Executor, error) {
	return OpenWith(g, st, NewVerifier())
}

// OpenWith is Open with the caller's verdicts on signatures: simulations have cheap ones.
func OpenWith(g *remora.Genesis, st *store.Store, v Verdicts) (*Executor, error) {
	machine, err := state.NewMachine(g)
	if err != nil {
		return nil, err
	}
	e := &Executor{machine: machine, store: st, verifier: v}
	origin, initialised, err := st.Genesis()
	switch {
	case err != nil:
		return nil, err
	case !initialised:
		return e, e.begin(g)
	case origin != g.Hash():
		return nil, fmt.Errorf("%w: it was made for genesis %s, this is genesis %s (chain %s); use another --home",
			store.ErrOtherChain, origin, g.Hash(), g.ChainID)
	}
	return e, e.resume(g)
}

func (e *Executor) begin(g *remora.Genesis) error {
	outcome, err := e.machine.Genesis(e.verifier)
	if err != nil {
		return fmt.Errorf("genesis of %s: %w", g.ChainID, err)
	}
	if err := e.store.Init(g.Hash(), outcome.Changes); err != nil {
		return fmt.Errorf("write the genesis state: %w", err)
	}
	e.view = outcome.View(e.store.Tables())
	return nil
}

func (e *Executor) resume(g *remora.Genesis) error {
	built, err := state.BuildTree(e.store.Tables())
	if err != nil {
		return err
	}
	tip, root, err := e.tip(g)
	if err != nil {
		return err
	}
	if got := built.Root(); got != root {
		return fmt.Errorf("%w: the tables give state root %s, block %d has %s; restore this home from a copy, or wipe it and sync again",
			remora.ErrCorrupt, got, tip.Height, root)
	}
	e.view = state.View{Tables: e.store.Tables(), Tree: built, Tip: tip}
	return nil
}

// tip returns where the stored chain ends, and the state root that belongs there.
func (e *Executor) tip(g *remora.Genesis) (state.Tip, remora.Hash, error) {
	height := e.store.Height()
	if height == 0 {
		outcome, err := e.machine.Genesis(e.verifier)
		return outcome.Tip(), outcome.Tree.Root(), err
	}
	block, err := e.store.Block(height)
	if err != nil {
		return state.Tip{}, remora.Hash{}, err
	}
	h := &block.Header
	return state.Tip{Height: h.Height, Hash: h.Hash(), Time: h.Time, SubDAG: h.SubDAG}, h.StateRoot, nil
}

// View returns the state after the newest block. Its tables follow the store: readers on other goroutines use a
// snapshot of the store with View's tree and tip.
func (e *Executor) View() state.View { return e.view }

// Verifier returns the verifier that execution uses, for admission checks.
func (e *Executor) Verifier() Verdicts { return e.verifier }

// Pending returns the batches whose bytes the next block needs, in the order in which Execute takes them.
func (e *Executor) Pending(sub *remora.SubDAG) ([]remora.BatchRef, error) {
	return e.machine.Pending(e.view, sub)
}

// Execute applies a sub-DAG, whose pending batches are given in order, as the next block, and makes block, state and
// cursor durable in one write. With expect the outcome must have that header: otherwise nothing is written and the
// error is a Divergence.
func (e *Executor) Execute(sub remora.SubDAG, batches []remora.Batch, expect *remora.BlockHeader) (*remora.Block, error) {
	in := state.Input{SubDAG: sub, Batches: batches}
	e.verifier.Prime(e.machine.Statements(in))
	defer e.verifier.Forget()
	outcome, err := e.machine.Apply(e.view, in, e.verifier)
	if err != nil {
		return nil, fmt.Errorf("execute block %d: %w", e.view.Tip.Height+1, err)
	}
	block := &outcome.Block
	if expect != nil && block.Header.Hash() != expect.Hash() {
		return nil, &Divergence{Height: block.Header.Height, Expected: *expect, Got: block.Header}
	}
	signed, err := e.places(block, batches)
	if err != nil {
		return nil, err
	}
	if err := e.store.Commit(store.Commit{Block: block, Changes: outcome.Changes, Signed: signed}); err != nil {
		return nil, err
	}
	e.view = outcome.View(e.view.Tables)
	return block, nil
}

// places lists where the block executed signed transactions. A replay's refusal does not hide the execution it replays.
func (e *Executor) places(block *remora.Block, batches []remora.Batch) (map[remora.Hash]uint32, error) {
	places := map[remora.Hash]uint32{}
	position := uint32(0)
	for _, b := range batches {
		for _, raw := range b.Txs() {
			at := position
			position++
			if remora.IsOpaque(raw) {
				continue
			}
			hash := remora.TxHash(raw)
			if _, here := places[hash]; here {
				continue
			}
			if remora.Code(block.Results[at]) == remora.CodeNonceUsed {
				_, err := e.store.Tx(hash)
				if err == nil {
					continue
				}
				if !errors.Is(err, remora.ErrNotFound) {
					return nil, err
				}
			}
			places[hash] = at
		}
	}
	return places, nil
}
