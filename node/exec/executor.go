// Package exec is the executor: the one way by which a block becomes state. Live blocks, a restart, block sync, audits
// and simulations all call Execute.
package exec

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/verdict"
)

// Verdicts is a verifier that is told ahead what it will be asked. Verifier is the real one.
type Verdicts interface {
	verdict.Verifier
	Prime(statements []verdict.Statement)
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
	return e, e.resume()
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

func (e *Executor) resume() error {
	built, err := state.BuildTree(e.store.Tables())
	if err != nil {
		return err
	}
	tip, header, err := e.tip()
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

// tip returns where the stored chain ends and the header there, of which the genesis has version and state root only.
func (e *Executor) tip() (state.Tip, remora.BlockHeader, error) {
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

// View returns the state after the newest block. Its tables follow the store: readers on other goroutines use a
// snapshot of the store with View's tree and tip.
func (e *Executor) View() state.View { return e.view }

// Pending returns the batches whose bytes the next block needs, in the order in which Execute takes them.
func (e *Executor) Pending(sub *remora.SubDAG) ([]remora.BatchRef, error) {
	return e.machine.Pending(e.view, sub)
}

// Execute applies a sub-DAG, whose pending batches are given in order, as the next block, and makes block, state and
// cursor durable in one write. With expect the outcome must have that header: otherwise nothing is written and the
// error is a Divergence.
func (e *Executor) Execute(sub remora.SubDAG, batches []remora.Batch, expect *remora.BlockHeader) (*remora.Block, error) {
	in := state.Input{SubDAG: sub, Batches: batches}
	seed, err := beacon.GetSeed(e.view.Tables)
	if err != nil {
		return nil, err
	}
	e.verifier.Prime(e.machine.Ahead(in, seed))
	defer e.verifier.Forget()
	outcome, err := e.apply(in, expect)
	if err != nil {
		return nil, err
	}
	return &outcome.Block, e.commit(&outcome, batches, nil, e.store.Commit)
}

// Certified is a block that a quorum signed, with the batches that it executes: durable and in order.
type Certified struct {
	Block       *remora.Block
	Batches     []remora.Batch
	Certificate *remora.BlockCertificate
}

// Follow executes consecutive certified blocks as Execute does each, with one sync for all. They must continue the chain.
// On an error none is durable, and the executor must not be used any more.
func (e *Executor) Follow(blocks []Certified) ([]*remora.Block, error) {
	if err := e.primeBlocks(blocks); err != nil {
		return nil, err
	}
	defer e.verifier.Forget()
	executed := make([]*remora.Block, len(blocks))
	for i, b := range blocks {
		outcome, err := e.apply(state.Input{SubDAG: b.Block.SubDAG(e.view.Tip.SubDAG), Batches: b.Batches}, &b.Block.Header)
		if err != nil {
			return nil, err
		}
		write := e.store.Stage
		if i == len(blocks)-1 {
			write = e.store.Commit
		}
		if err := e.commit(&outcome, b.Batches, b.Certificate, write); err != nil {
			return nil, err
		}
		executed[i] = &outcome.Block
	}
	return executed, nil
}

// primeBlocks verifies ahead what the blocks state. A quorum vouches for the headers, so each one's seed is the one that
// the next block's contributions build on; were it not, they would be verified one by one.
func (e *Executor) primeBlocks(blocks []Certified) error {
	seed, err := beacon.GetSeed(e.view.Tables)
	if err != nil {
		return err
	}
	var statements []verdict.Statement
	for _, b := range blocks {
		in := state.Input{SubDAG: remora.SubDAG{Headers: b.Block.DAG}, Batches: b.Batches}
		statements = append(statements, e.machine.Ahead(in, seed)...)
		seed = b.Block.Header.Beacon
	}
	e.verifier.Prime(statements)
	return nil
}

func (e *Executor) apply(in state.Input, expect *remora.BlockHeader) (state.Outcome, error) {
	outcome, err := e.machine.Apply(e.view, in, e.verifier)
	if err != nil {
		return outcome, fmt.Errorf("execute block %d: %w", e.view.Tip.Height+1, err)
	}
	if got := &outcome.Block.Header; expect != nil && got.Hash() != expect.Hash() {
		return outcome, &Divergence{Height: got.Height, Expected: *expect, Got: *got, View: outcome.View(nil)}
	}
	return outcome, nil
}

func (e *Executor) commit(
	outcome *state.Outcome, batches []remora.Batch, cert *remora.BlockCertificate, write func(store.Commit) error,
) error {
	signed, err := e.places(&outcome.Block, batches)
	if err != nil {
		return err
	}
	if err := write(store.Commit{Block: &outcome.Block, Changes: outcome.Changes, Signed: signed, Certificate: cert}); err != nil {
		return err
	}
	e.view = outcome.View(e.view.Tables)
	return nil
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
