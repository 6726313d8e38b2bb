package state_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/statetest"
	"github.com/remora-network/remora/state/tree"
)

// TestGenesisProblems are listed all at once, structure and proofs of possession alike.
func TestGenesisProblems(t *testing.T) {
	g := statetest.Genesis("No Such Chain", 3, "alice")
	g.Params.Rule = "coin-flip"
	g.Params.GCDepth = 0
	g.Params.EpochMillis = 1
	g.Validators[0].Node.Addrs = nil
	g.Validators[1].Node.Possession[0] ^= 1
	g.Validators[1].Node.BeaconPoP[0] ^= 1
	g.Validators[2].Node.Possession[0] ^= 1
	g.Validators[2].Stake = 0
	g.Accounts = append(g.Accounts, g.Accounts[0])
	err := state.CheckGenesis(g, new(statetest.Verifier))
	if !errors.Is(err, remora.ErrInvalid) {
		t.Fatal(err)
	}
	for _, want := range []string{
		"chain_id", "rule", "gc_depth", "epoch_millis", "validator 0: ", "stake 0", "account 1 repeats",
		`validator 1 ("v1"): consensus_possession`, `validator 1 ("v1"): beacon_possession`, `validator 2 ("v2"): consensus_possession`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %q in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), `validator 2 ("v2"): beacon_possession`) {
		t.Errorf("a right proof is reported:\n%v", err)
	}
}

func TestGenesisRefused(t *testing.T) {
	bad := statetest.Genesis(dev, 4)
	bad.Params.Rule = ""
	if _, err := state.NewMachine(bad); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("no rule: %v", err)
	}
	unproven := statetest.Genesis(dev, 4)
	unproven.Validators[3].Node.BeaconPoP = remora.BLSSignature{}
	m, err := state.NewMachine(unproven)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Genesis(new(statetest.Verifier))
	if !errors.Is(err, remora.ErrInvalid) || out.Changes != nil {
		t.Errorf("without a proof: %v, %d changes", err, len(out.Changes))
	}
	shared := statetest.Genesis(dev, 4)
	node := &shared.Validators[1].Node
	node.Header = remora.Address(shared.Validators[0].Node.Beacon[:remora.AddressSize])
	node.Beacon, node.BeaconPoP = node.Consensus, node.Possession
	if _, err := state.NewMachine(shared); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("one key for two purposes: %v", err)
	}
}

// TestGenesisState reads back all that a genesis says.
func TestGenesisState(t *testing.T) {
	g := statetest.Genesis(dev, 4, "alice", "bob")
	g.Validators[2].Stake = 77
	c := statetest.NewChain(t, g)
	for i := range g.Validators {
		v := &g.Validators[i]
		stake, err := ledger.Stake(c.Tables(), v.Account)
		if err != nil || stake != v.Stake {
			t.Errorf("stake of %s: %s (%v), want %s", v.Node.Name, stake, err, v.Stake)
		}
		account, exists, err := registry.ByName(c.Tables(), v.Node.Name)
		if err != nil || !exists || account != v.Account {
			t.Errorf("%s is registered by %s (exists %v, %v)", v.Node.Name, account, exists, err)
		}
	}
	if a := c.Account("bob"); a != (ledger.Account{Balance: statetest.Balance}) {
		t.Errorf("bob: %+v", a)
	}
	totals, err := ledger.GetTotals(c.Tables())
	if want := (ledger.Totals{Supply: 2*statetest.Balance + 3*statetest.Stake + 77}); err != nil || totals != want {
		t.Errorf("totals %+v (%v), want %+v", totals, err, want)
	}
	if e := c.Epoch(); e != (registry.Epoch{Number: 1, StartTime: g.Time, StartHeight: 1}) {
		t.Errorf("epoch %+v", e)
	}
	term, err := registry.GetTerm(c.Tables())
	if want := (registry.Term{Number: 1, Committee: c.Machine.Committee().Hash()}); err != nil || term != want {
		t.Errorf("term %+v (%v), want %+v", term, err, want)
	}
	seed, err := beacon.GetSeed(c.Tables())
	if err != nil || seed != (remora.Seed{Hash: g.Hash()}) {
		t.Errorf("seed %+v (%v)", seed, err)
	}
	if c.View.Tree.Root() == (tree.Tree{}).Root() {
		t.Error("the root is that of nothing")
	}
}
