package exec_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
)

// certifyFrom returns the blocks of the chain from a height on, with certificates that nobody checks here.
func (made *chain) certifyFrom(from remora.Height, st *store.Store) ([]exec.Certified, error) {
	var blocks []exec.Certified
	for i := int(from) - 1; i < len(made.inputs); i++ {
		in, h := made.inputs[i], made.headers[i]
		if err := st.AppendBatches(in.Batches); err != nil {
			return nil, err
		}
		blocks = append(blocks, exec.Certified{
			Block: &remora.Block{Header: h, DAG: in.SubDAG.Headers}, Batches: in.Batches,
			Certificate: &remora.BlockCertificate{Height: h.Height, Hash: h.Hash(), Signers: remora.NewBitmap(4, 0, 1, 2)},
		})
	}
	return blocks, nil
}

// followRest executes the rest of the chain in groups.
func (made *chain) followRest(e *exec.Executor, st *store.Store, done func(remora.Height)) error {
	blocks, err := made.certifyFrom(e.View().Tip.Height+1, st)
	if err != nil {
		return err
	}
	for group := range slices.Chunk(blocks, 3) {
		executed, err := e.Follow(group)
		if err != nil {
			return err
		}
		done(executed[len(executed)-1].Header.Height)
	}
	return nil
}

// TestContributionsAreForeseen executes a chain whose beacon takes a step in every block, block by block and in groups: all
// that Apply asks about was primed, with the right verdict.
func TestContributionsAreForeseen(t *testing.T) {
	made := newChain(t, 7)
	for name, execute := range map[string]func(*exec.Executor, *store.Store, func(remora.Height)) error{
		"block by block": made.executeRest, "in groups": made.followRest,
	} {
		e, st := made.openNew(t)
		if err := execute(e, st, ignoreHeight); err != nil {
			t.Fatal(err)
		}
		if v := made.verdicts; v.foreseen != 3*7 || v.missed != 0 {
			t.Errorf("%s: %d contributions foreseen, %d not", name, v.foreseen, v.missed)
		}
	}
}

// TestFollowSurvivesEveryCrashPoint cuts the power at every file operation while groups of certified blocks are executed:
// what is found are whole blocks, all acknowledged ones among them, each with its certificate and its batches.
func TestFollowSurvivesEveryCrashPoint(t *testing.T) {
	made := newChain(t, 7)
	for n := 1; ; n++ {
		fs := crashfs.New(uint64(n))
		fs.LoseAt(n)
		acked := remora.Height(0)
		e, st, err := made.openDisk(fs)
		if err == nil {
			err = made.followRest(e, st, func(h remora.Height) {
				if !fs.Crashed() {
					acked = h
				}
			})
		}
		if err = errors.Join(err, st.Close()); err != nil {
			t.Fatalf("operation %d: %v", n, err)
		}
		for _, mode := range []crashfs.Mode{crashfs.Strict, crashfs.Partial, crashfs.Partial} {
			made.checkWhole(t, fs.Crash(mode), acked)
		}
		if t.Failed() || !fs.Crashed() {
			t.Logf("%d crash points", n-1)
			return
		}
	}
}

// checkWhole checks what a crash left and executes the rest.
func (made *chain) checkWhole(t *testing.T, fs *crashfs.FS, acked remora.Height) {
	t.Helper()
	e, st, err := made.openDisk(fs)
	if err != nil {
		t.Fatalf("reopen: %v", err)
	}
	tip := e.View().Tip
	if tip.Height < acked || tip.Height > 0 && tip.Hash != made.headers[tip.Height-1].Hash() {
		t.Fatalf("resumes at block %d %s, %d acknowledged", tip.Height, tip.Hash, acked)
	}
	for h := remora.Height(1); h <= tip.Height; h++ {
		if cb, err := st.CertifiedBlock(h); err != nil || cb.Certificate == nil {
			t.Errorf("block %d of %d: %v", h, tip.Height, err)
		}
	}
	if err := errors.Join(made.followRest(e, st, ignoreHeight), st.Close()); err != nil {
		t.Fatalf("after block %d: %v", tip.Height, err)
	}
	if got, want := e.View().Tree.Root(), made.headers[len(made.headers)-1].StateRoot; got != want {
		t.Fatalf("root in the end is %s, want %s", got, want)
	}
}

// TestNothingOfAGroupIsVisibleBeforeAll has the last block of a group differ.
func TestNothingOfAGroupIsVisibleBeforeAll(t *testing.T) {
	made := newChain(t, 3)
	e, st := made.openNew(t)
	blocks, err := made.certifyFrom(1, st)
	if err != nil {
		t.Fatal(err)
	}
	blocks[2].Block.Header.StateRoot[0] ^= 1
	var d *exec.Divergence
	if _, err := e.Follow(blocks); !errors.As(err, &d) || d.Height != 3 || st.Height() != 0 {
		t.Errorf("height %d, error %v, want a divergence at block 3", st.Height(), err)
	}
}
