package state

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/tree"
	"github.com/remora-network/remora/state/verdict"
)

// CheckGenesis reports everything that is wrong with a genesis, proofs of possession included, all at once.
func CheckGenesis(g *remora.Genesis, v verdict.Verifier) error {
	return errors.Join(g.Check(), checkPossession(g, v))
}

func checkPossession(g *remora.Genesis, v verdict.Verifier) error {
	var errs []error
	for i := range g.Validators {
		n := &g.Validators[i].Node
		if !v.Holds(verdict.Possession{Public: n.Consensus, Proof: n.Possession}) {
			errs = append(errs, fmt.Errorf("%w: validator %d (%.80q): consensus_possession does not prove possession of consensus_key",
				remora.ErrInvalid, i, n.Name))
		}
		if !v.Holds(verdict.Possession{Public: n.Beacon, Proof: n.BeaconPoP}) {
			errs = append(errs, fmt.Errorf("%w: validator %d (%.80q): beacon_possession does not prove possession of beacon_key",
				remora.ErrInvalid, i, n.Name))
		}
	}
	return errors.Join(errs...)
}

// Genesis returns the state at height 0. The error lists every wrong proof of possession.
func (m *Machine) Genesis(v verdict.Verifier) (Outcome, error) {
	if err := checkPossession(m.genesis, v); err != nil {
		return Outcome{}, fmt.Errorf("genesis: %w", err)
	}
	o := table.NewOverlay(&table.Memory{})
	for _, a := range m.genesis.Accounts {
		ledger.Put(o, a.Address, ledger.Account{Balance: a.Balance})
	}
	for i := range m.genesis.Validators {
		val := &m.genesis.Validators[i]
		ledger.PutStake(o, val.Account, val.Stake)
		if err := registry.Register(o, v, val.Account, &val.Node); err != nil {
			return Outcome{}, fmt.Errorf("genesis: validator %d: %w", i, err)
		}
	}
	ledger.PutTotals(o, ledger.Totals{Supply: m.sumSupply()})
	registry.PutTerm(o, registry.Term{Number: m.committee.Term, Committee: m.committee.Hash()})
	registry.PutClock(o, registry.NewClock(m.genesis.Time))
	registry.PutEpoch(o, registry.Epoch{Number: 1, StartTime: m.genesis.Time, StartHeight: 1})
	beacon.Start(o, m.origin)
	if err := ledger.CheckChanges(o); err != nil {
		return Outcome{}, fmt.Errorf("genesis: %w", err)
	}
	changes := o.Changes()
	grown, err := updateTree(tree.Tree{}, changes)
	if err != nil {
		return Outcome{}, err
	}
	tip := Tip{Hash: m.origin, Time: m.genesis.Time, SubDAG: m.origin}
	return Outcome{Changes: changes, Tree: grown, tip: tip}, nil
}

// sumSupply adds up the genesis balances and stakes. Genesis.Check has found that the sum fits.
func (m *Machine) sumSupply() remora.Amount {
	var sum remora.Amount
	for _, a := range m.genesis.Accounts {
		sum += a.Balance
	}
	for i := range m.genesis.Validators {
		sum += m.genesis.Validators[i].Stake
	}
	return sum
}
