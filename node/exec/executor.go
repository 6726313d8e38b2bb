// Package exec executes blocks. Live blocks, a restart, block sync, audits and simulations all take this one way to a new state.
//
// Open resumes at the newest block of a store. Execute applies one sub-DAG, Follow a group of blocks that a quorum certified;
// both write block, changes and cursor in one step, so that a crash leaves a whole number of blocks, and both report a block
// whose header differs from the expected one as a Divergence without writing it. Verifier checks signatures ahead, in batches
// and on all cores.
package exec

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/verdict"
)

// Verdicts is a verifier that can compute verdicts ahead. Verifier is the real one, statetest.Verifier a cheap one.
type Verdicts interface {
	verdict.Verifier
	// Prime computes the verdicts of lists of statements, of a list as far as its statements hold.
	Prime(lists [][]verdict.Statement)
	Forget()
}

// Executor applies blocks to the state in a store. It belongs to one goroutine.
type Executor struct {
	// Observe is called with each block that was executed and the batches in it; nil: nobody wants to know. It is set before
	// the first block.
	Observe func(*remora.Block, []remora.Batch)

	machine  *state.Machine
	store    *store.Store
	verifier Verdicts
	view     state.View
	accepted []remora.BatchRef // by the last Execute or Follow
}

// Open initialises an empty store from the genesis, or resumes from the newest block of the store. It then builds the tree from
// all tables and compares the root, so that a silently changed record is found before anything is signed.
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
		return e, e.initStore(g)
	case origin != g.Hash():
		return nil, fmt.Errorf("%w: it was made for genesis %s, this is genesis %s (chain %s); use another --home",
			store.ErrOtherChain, origin, g.Hash(), g.ChainID)
	}
	return e, e.resumeFromStore()
}

func (e *Executor) initStore(g *remora.Genesis) error {
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

func (e *Executor) resumeFromStore() error {
	built, err := state.BuildTree(e.store.Tables())
	if err != nil {
		return err
	}
	tip, header, err := e.loadTip()
	if err != nil {
		return err
	}
	if got := built.Root(); got != header.StateRoot {
		d := &Divergence{Height: tip.Height, Expected: header, Got: header, View: state.View{Tree: built, Tip: tip}}
		d.Got.StateRoot = got
		return fmt.Errorf("%w: the tables on disk are not the state after the newest block: %w; empty the data directory and sync again",
			remora.ErrCorrupt, d)
	}
	e.view = state.View{Tables: e.store.Tables(), Tree: built, Tip: tip}
	return nil
}

// loadTip returns the tip of the stored chain and its header. At the genesis the header has only version and state root.
func (e *Executor) loadTip() (state.Tip, remora.BlockHeader, error) {
	height := e.store.Height()
	if height == 0 {
		outcome, err := e.machine.Genesis(e.verifier)
		return outcome.Tip(), remora.BlockHeader{Version: remora.ProtocolVersion, StateRoot: outcome.Tree.Root()}, err
	}
	block, err := e.store.Block(height)
	if err != nil {
		return state.Tip{}, remora.BlockHeader{}, err
	}
	h := block.Header
	return state.Tip{Height: h.Height, Hash: h.Hash(), Time: h.Time, SubDAG: h.SubDAG}, h, nil
}

// Accepted returns the batches that the last Execute or Follow accepted, in order. Some of them may wait for a later block.
func (e *Executor) Accepted() []remora.BatchRef { return e.accepted }

// View returns the state after the newest block. Its tables follow the store: readers on other goroutines use a
// snapshot of the store with View's tree and tip.
func (e *Executor) View() state.View { return e.view }

// Pending returns the digests of the batches that the next block executes, in the order that Execute expects.
func (e *Executor) Pending(sub *remora.SubDAG) ([]remora.Hash, error) {
	refs, err := e.machine.Pending(e.view, sub)
	digests := make([]remora.Hash, len(refs))
	for i, ref := range refs {
		digests[i] = ref.Digest
	}
	return digests, err
}

// Execute applies a sub-DAG with its pending batches, in order, as the next block, and makes block, state and cursor durable in
// one write. If expect is not nil and the block has another header, nothing is written and the error is a Divergence.
func (e *Executor) Execute(sub remora.SubDAG, batches []remora.Batch, expect *remora.BlockHeader) (*remora.Block, error) {
	in := state.Input{SubDAG: sub, Batches: batches}
	seed, err := beacon.GetSeed(e.view.Tables)
	if err != nil {
		return nil, err
	}
	e.accepted = nil
	e.verifier.Prime(e.machine.Ahead(e.view.Tables, in, seed))
	defer e.verifier.Forget()
	outcome, err := e.applyBlock(in, expect)
	if err != nil {
		return nil, err
	}
	return &outcome.Block, e.commitBlock(&outcome, batches, nil, e.store.Commit)
}

// Certified is a block that a quorum signed, with the batches that it executes, durable and in order.
type Certified struct {
	Block       *remora.Block
	Batches     []remora.Batch
	Certificate *remora.BlockCertificate
}

// Follow executes consecutive certified blocks, which must continue the chain, with one sync for all of them. On an error none
// is durable, and the executor must not be used any more.
func (e *Executor) Follow(blocks []Certified) ([]*remora.Block, error) {
	if err := e.primeBlocks(blocks); err != nil {
		return nil, err
	}
	defer e.verifier.Forget()
	e.accepted = nil
	executed := make([]*remora.Block, len(blocks))
	for i, b := range blocks {
		outcome, err := e.applyBlock(state.Input{SubDAG: b.Block.SubDAG(e.view.Tip.SubDAG), Batches: b.Batches}, &b.Block.Header)
		if err != nil {
			return nil, err
		}
		write := e.store.Stage
		if i == len(blocks)-1 {
			write = e.store.Commit
		}
		if err := e.commitBlock(&outcome, b.Batches, b.Certificate, write); err != nil {
			return nil, err
		}
		executed[i] = &outcome.Block
	}
	return executed, nil
}

// primeBlocks verifies the signatures in all blocks ahead. The seed in each header is the one on which the next block's
// contributions build, since a quorum vouches for it; with a wrong one they would be verified one by one.
func (e *Executor) primeBlocks(blocks []Certified) error {
	seed, err := beacon.GetSeed(e.view.Tables)
	if err != nil {
		return err
	}
	var lists [][]verdict.Statement
	for _, b := range blocks {
		in := state.Input{SubDAG: remora.SubDAG{Headers: b.Block.DAG}, Batches: b.Batches}
		lists = append(lists, e.machine.Ahead(e.view.Tables, in, seed)...)
		seed = b.Block.Header.Beacon
	}
	e.verifier.Prime(lists)
	return nil
}

func (e *Executor) applyBlock(in state.Input, expect *remora.BlockHeader) (state.Outcome, error) {
	outcome, err := e.machine.Apply(e.view, in, e.verifier)
	if err != nil {
		return outcome, fmt.Errorf("execute block %d: %w", e.view.Tip.Height+1, err)
	}
	if got := &outcome.Block.Header; expect != nil && got.Hash() != expect.Hash() {
		return outcome, &Divergence{Height: got.Height, Expected: *expect, Got: *got, View: outcome.View(nil)}
	}
	return outcome, nil
}

func (e *Executor) commitBlock(
	outcome *state.Outcome, batches []remora.Batch, cert *remora.BlockCertificate, write func(store.Commit) error,
) error {
	signed := placeTxs(&outcome.Block, batches)
	if err := write(store.Commit{Block: &outcome.Block, Changes: outcome.Changes, Signed: signed, Certificate: cert}); err != nil {
		return err
	}
	e.view = outcome.View(e.view.Tables)
	if e.Observe != nil {
		e.Observe(&outcome.Block, batches)
	}
	e.accepted = append(e.accepted, outcome.Fate.Accepted...)
	return nil
}

// placeTxs returns the positions at which the block charged signed transactions. One that cost its sender nothing has no place:
// whoever saw it can repeat it, and rows about it would be free.
func placeTxs(block *remora.Block, batches []remora.Batch) map[remora.Hash]uint32 {
	places := map[remora.Hash]uint32{}
	position := uint32(0)
	for _, b := range batches {
		for _, raw := range b.Txs() {
			if !remora.IsOpaque(raw) && remora.Code(block.Results[position]).IsCharged() {
				places[remora.TxHash(raw)] = position
			}
			position++
		}
	}
	return places
}
