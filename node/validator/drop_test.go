package validator

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/state"
)

// TestDroppedTxsAreAnswered restores a batch whose one transaction expires before the batch can be sealed again: the door
// answers it, and its nonce is free, while the other transaction is sealed anew.
func TestDroppedTxsAreAnswered(t *testing.T) {
	chain := replaytest.New(t, "dev-drop")
	machine, err := state.NewMachine(chain.Genesis)
	if err != nil {
		t.Fatal(err)
	}
	b, c, _ := newFloodedBatcher(t)
	b.door = door.New(door.Config{Machine: machine, Genesis: chain.Genesis, Head: chain.Head, Verifier: exec.NewVerifier()})
	if b.core, err = worker.New(worker.Config{Committee: c.Committee, Epoch: 5, Keep: machine.MayExecute}); err != nil {
		t.Fatal(err)
	}
	tx, err := remora.DecodeTx(chain.Transfer(0, 1, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	tx.ValidUntil = 6
	short, long := remora.Encode(tx), chain.Transfer(0, 1, 1, 1)
	var builder remora.BatchBuilder
	builder.Add(short)
	builder.Add(long)
	batch := builder.Seal(1, 5, 0, 0, 9)
	b.door.Restore(batch)
	b.stepCore(t.Context(), worker.Restored{Batch: batch})
	b.stepCore(t.Context(), worker.EpochChanged{Epoch: 7})
	if b.door.Pending() != 2 {
		t.Fatalf("%d wait", b.door.Pending())
	}
	b.signer = silent{}
	if err := b.carryOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, ended := b.door.Executed(remora.TxHash(short))
	if !ended || got.Refusal == nil || got.Refusal.Code != remora.CodeExpired.String() || b.door.Pending() != 1 {
		t.Errorf("ended %v: %+v, %d wait", ended, got, b.door.Pending())
	}
	if _, ended := b.door.Executed(remora.TxHash(long)); ended {
		t.Error("the other transaction ended too")
	}
}

// silent signs headers only, with nothing.
type silent struct{ mempool.Signer }

// SignHeader implements mempool.Signer.
func (silent) SignHeader(remora.Hash) (sig remora.Signature) { return sig }
