package exec_test

import (
	"testing"

	"github.com/remora-network/remora/node/exec"
)

// A block whose write fails is not visible.
func TestFailedWriteLeavesTheView(t *testing.T) {
	made := newChain(t, 1)
	e, st := made.begin(t)
	other, err := exec.OpenWith(made.genesis, st, new(verdicts))
	if err != nil {
		t.Fatal(err)
	}
	in := made.inputs[0]
	if _, err := other.Execute(in.SubDAG, in.Batches, nil); err != nil {
		t.Fatal(err)
	}
	before := e.View()
	if _, err := e.Execute(in.SubDAG, in.Batches, nil); err == nil {
		t.Fatal("one height is written twice")
	}
	if after := e.View(); after.Tip != before.Tip || after.Tree.Root() != before.Tree.Root() {
		t.Errorf("the view moved to block %d, whose write failed", after.Tip.Height)
	}
}
