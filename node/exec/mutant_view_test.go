package exec_test

import (
	"errors"
	"testing"

	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
)

// A block whose write fails is not visible.
func TestFailedWriteLeavesTheView(t *testing.T) {
	made := newChain(t, 1)
	memory, broken := store.NewMemory(nil), errors.New("broken")
	st, err := store.Open("home", store.Options{FS: crashfs.New(1), Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	e, err := exec.OpenWith(made.genesis, st, new(verdicts))
	if err != nil {
		t.Fatal(err)
	}
	before := e.View()
	memory.Fail(broken)
	if _, err := e.Execute(made.inputs[0].SubDAG, made.inputs[0].Batches, nil); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if after := e.View(); after.Tip != before.Tip || after.Tree.Root() != before.Tree.Root() {
		t.Errorf("the view moved to block %d, whose write failed", after.Tip.Height)
	}
}
