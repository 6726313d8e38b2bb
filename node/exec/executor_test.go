package exec_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/table"
)

func ignoreHeight(remora.Height) {}

// TestSurvivesEveryCrashPoint cuts the power at every single file operation: the executor resumes at a whole block with
// the root that its header names, and the following blocks are those of a chain without a crash.
func TestSurvivesEveryCrashPoint(t *testing.T) {
	made := newChain(t, 5)
	for n := 1; ; n++ {
		fs := crashfs.New(uint64(n))
		fs.LoseAt(n)
		acked := remora.Height(0)
		e, st, err := made.openDisk(fs)
		if err == nil {
			err = made.executeRest(e, st, func(h remora.Height) {
				if !fs.Crashed() {
					acked = h
				}
			})
		}
		if err = errors.Join(err, st.Close()); err != nil {
			t.Fatalf("operation %d: %v", n, err)
		}
		for _, mode := range []crashfs.Mode{crashfs.Strict, crashfs.Partial, crashfs.Partial} {
			made.resumeAfterCrash(t, fs.Crash(mode), acked)
		}
		if !fs.Crashed() {
			t.Logf("%d crash points", n-1)
			return
		}
	}
}

// resumeAfterCrash goes on where a crash left the chain.
func (made *chain) resumeAfterCrash(t *testing.T, fs *crashfs.FS, acked remora.Height) {
	t.Helper()
	e, st, err := made.openDisk(fs)
	if err != nil {
		t.Fatalf("reopen: %v", err)
	}
	tip := e.View().Tip
	if tip.Height < acked || tip.Height > 0 && tip.Hash != made.headers[tip.Height-1].Hash() {
		t.Fatalf("resumes at block %d %s, %d acknowledged", tip.Height, tip.Hash, acked)
	}
	if err := errors.Join(made.executeRest(e, st, ignoreHeight), st.Close()); err != nil {
		t.Fatalf("after block %d: %v", tip.Height, err)
	}
	if got, want := e.View().Tree.Root(), made.headers[len(made.headers)-1].StateRoot; got != want {
		t.Fatalf("root in the end is %s, want %s", got, want)
	}
}

func TestDivergenceLeavesNothing(t *testing.T) {
	made := newChain(t, 2)
	e, st := made.openNew(t)
	before := e.View()
	lie := made.headers[0]
	lie.StateRoot[0] ^= 1
	_, err := e.Execute(made.inputs[0].SubDAG, made.inputs[0].Batches, &lie)
	var d *exec.Divergence
	if !errors.Is(err, exec.ErrDiverged) || !errors.As(err, &d) {
		t.Fatalf("error %v, want a divergence", err)
	}
	if d.Height != 1 || d.Expected.StateRoot != lie.StateRoot || d.Got.StateRoot != made.headers[0].StateRoot || !strings.Contains(err.Error(), "state differs") {
		t.Errorf("divergence %v does not say what differs", err)
	}
	if d.View.Tree.Root() != made.headers[0].StateRoot || len(d.View.Changes) == 0 {
		t.Errorf("the divergence brings a state with root %s and %d changes", d.View.Tree.Root(), len(d.View.Changes))
	}
	if _, err := st.Block(1); !errors.Is(err, remora.ErrNotFound) || st.Height() != 0 || e.View().Tip != before.Tip {
		t.Errorf("height %d, tip %+v after a divergence, block: %v", st.Height(), e.View().Tip, err)
	}
	tree, err := state.BuildTree(st.Tables())
	if err != nil || tree.Root() != before.Tree.Root() {
		t.Errorf("the tables changed: root %s, error %v", tree.Root(), err)
	}
	if err := made.executeRest(e, st, ignoreHeight); err != nil {
		t.Errorf("the right blocks afterwards: %v", err)
	}
}

func TestDivergenceNamesTheField(t *testing.T) {
	base := newChain(t, 1).headers[0]
	for field, change := range map[string]func(*remora.BlockHeader){
		"protocol version": func(h *remora.BlockHeader) { h.Version++ },
		"parent":           func(h *remora.BlockHeader) { h.Parent[0]++ },
		"sub-DAG":          func(h *remora.BlockHeader) { h.SubDAG[0]++ },
		"batches":          func(h *remora.BlockHeader) { h.TxRoot[0]++ },
		"time":             func(h *remora.BlockHeader) { h.Time++ },
		"beacon":           func(h *remora.BlockHeader) { h.Beacon.Step++ },
		"results":          func(h *remora.BlockHeader) { h.ResultsRoot[0]++ },
		"state":            func(h *remora.BlockHeader) { h.StateRoot[0]++ },
		"header":           func(h *remora.BlockHeader) { h.NextCommittee[0]++ },
	} {
		other := base
		change(&other)
		d := &exec.Divergence{Height: 1, Expected: base, Got: other}
		if text := d.Error(); !strings.Contains(text, field) || !strings.Contains(text, "block 1") {
			t.Errorf("%s: %q", field, text)
		}
	}
}

func TestWrongInputLeavesNothing(t *testing.T) {
	made := newChain(t, 2)
	e, st := made.openNew(t)
	for name, in := range map[string]state.Input{
		"the block after the next": made.inputs[1],
		"a batch too few":          {SubDAG: made.inputs[0].SubDAG},
		"another batch":            {SubDAG: made.inputs[0].SubDAG, Batches: made.inputs[1].Batches},
	} {
		if _, err := e.Execute(in.SubDAG, in.Batches, nil); !errors.Is(err, state.ErrInput) || st.Height() != 0 {
			t.Errorf("%s: error %v, height %d", name, err, st.Height())
		}
	}
}

// TestResumeRefusesChangedTables changes one row behind the executor's back, at genesis and at a block.
func TestResumeRefusesChangedTables(t *testing.T) {
	stray := table.Change{Table: table.Stakes, Key: []byte("stray"), Value: []byte("row")}
	made := newChain(t, 2)
	for name, damage := range map[string]func(*exec.Executor, *store.Store) error{
		"genesis": func(_ *exec.Executor, st *store.Store) error {
			return st.Init(made.genesis.Hash(), []table.Change{stray})
		},
		"block": func(e *exec.Executor, st *store.Store) error {
			machine, err := state.NewMachine(made.genesis)
			if err != nil {
				return err
			}
			out, err := machine.Apply(e.View(), made.inputs[0], new(statetest.Verifier))
			if err != nil {
				return err
			}
			return st.Commit(store.Commit{Block: &out.Block, Changes: append(out.Changes, stray)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, st := made.openNew(t)
			if err := damage(e, st); err != nil {
				t.Fatal(err)
			}
			_, err := exec.OpenWith(made.genesis, st, new(verdicts))
			if !errors.Is(err, remora.ErrCorrupt) || !errors.Is(err, exec.ErrDiverged) || !strings.Contains(err.Error(), "state root") || !strings.Contains(err.Error(), "sync again") {
				t.Errorf("error %v, want one that says what is wrong and what to do", err)
			}
		})
	}
}

func TestOtherGenesisIsRefused(t *testing.T) {
	made := newChain(t, 0)
	_, st := made.openNew(t)
	other := newGenesis()
	other.Time++
	if _, err := exec.OpenWith(other, st, new(verdicts)); !errors.Is(err, store.ErrOtherChain) || !strings.Contains(err.Error(), other.Hash().String()) {
		t.Errorf("error %v, want %v with the genesis hash", err, store.ErrOtherChain)
	}
	broken := newGenesis()
	broken.Params.GCDepth = 0
	if _, err := exec.OpenWith(broken, st, new(verdicts)); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("broken genesis: error %v", err)
	}
}

func TestVerdictsArePrimedAndForgotten(t *testing.T) {
	made := newChain(t, 2)
	e, st := made.openNew(t)
	err, v := made.executeRest(e, st, ignoreHeight), made.verdicts
	if err != nil || v.primed != 2 || v.forgotten != 2 {
		t.Errorf("%d statements primed in 2 blocks, forgotten %d times, error %v", v.primed, v.forgotten, err)
	}
}

// TestPlacesIndexTheFirstExecution repeats a transaction within a batch, within a block and in a later block.
func TestPlacesIndexTheFirstExecution(t *testing.T) {
	c := statetest.NewChain(t, newGenesis())
	made := &chain{genesis: c.Genesis}
	opaque := remora.EncodeOpaque([]byte("opaque"))
	first := statetest.Transfer(newGenesis(), "alice", "bob", 0, 5)
	second := statetest.Transfer(newGenesis(), "alice", "bob", 1, 5)
	refused := statetest.Transfer(newGenesis(), "alice", "bob", 1, 6) // the nonce of second
	made.addBlock(c, 0, c.Batch(0, opaque, first, first))
	made.addBlock(c, 1, c.Batch(1, first), c.Batch(1, opaque, second, refused))
	made.addBlock(c, 2, c.Batch(2, refused, second))
	e, st := made.openNew(t)
	if err := made.executeRest(e, st, ignoreHeight); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		tx   []byte
		want store.TxPlace
	}{
		"executed, then replayed in the batch and in block 2": {first, store.TxPlace{Height: 1, Position: 1}},
		"executed, then replayed in block 3":                  {second, store.TxPlace{Height: 2, Position: 2}},
	} {
		if got, err := st.Tx(remora.TxHash(tt.tx)); err != nil || got != tt.want {
			t.Errorf("%s: %+v, error %v, want %+v", name, got, err, tt.want)
		}
	}
	for name, tx := range map[string][]byte{"opaque": opaque, "refused at no cost": refused} {
		if _, err := st.Tx(remora.TxHash(tx)); !errors.Is(err, remora.ErrNotFound) {
			t.Errorf("%s: it has a place: %v", name, err)
		}
	}
}
