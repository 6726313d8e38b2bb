package sim

import (
	"errors"
	"os"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/statetest"
)

// TestFaultyTransactionsAreFaults judges what an attacker fills its batches with: no state makes any of it valid.
func TestFaultyTransactionsAreFaults(t *testing.T) {
	w, err := newWorld(base(1).WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	w.runUntil(100 * ms)
	v := w.nodes[3]
	defer func() {
		for _, v := range w.nodes {
			v.stopProcess()
		}
	}()
	machine, err := state.NewMachine(w.genesis)
	if err != nil {
		t.Fatal(err)
	}
	a := newActor(v, BadTransactions)
	codes := map[remora.Code]bool{}
	for _, raw := range a.faultyTxs() {
		var r *remora.Rejection
		if err := machine.Admit(v.exec.View(), raw, new(statetest.Verifier)); !errors.As(err, &r) || !r.Code.IsFault() {
			t.Errorf("%x: %v", raw, err)
			continue
		}
		codes[r.Code] = true
	}
	for _, want := range []remora.Code{remora.CodeMalformed, remora.CodeBadSignature, remora.CodeWrongChain, remora.CodeKindNotAllowed} {
		if !codes[want] {
			t.Errorf("no transaction is refused with %s", want)
		}
	}
	for _, b := range a.faultyBatches() {
		if parsed, err := remora.ParseBatch(b.Raw); err != nil || parsed.Ref() != b.Ref() {
			t.Errorf("the batch is %+v, it says %+v: %v", parsed.Ref(), b.Ref(), err)
		}
	}
}

// TestSlowWithShortestEpochs runs one scenario with several seeds: every vote is needed while each block ends an epoch.
func TestSlowWithShortestEpochs(t *testing.T) {
	data, err := os.ReadFile("testdata/slow_with_epochs_of_one.toml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	for s.Seed = 1; s.Seed <= 3; s.Seed++ {
		if r := mustRun(t, s); r.Verdict != Pass {
			t.Errorf("seed %d: %s %q", s.Seed, r.Verdict, r.Violations)
		}
	}
}
