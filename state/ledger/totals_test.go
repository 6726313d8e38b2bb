package ledger

import (
	"errors"
	"math"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

var alice, bob, carol = remora.Address{1}, remora.Address{2}, remora.Address{3}

// newLedger holds 100 of alice, 50 of bob, a stake of 20 and 30 in the treasury.
func newLedger(t *testing.T) *table.Memory {
	t.Helper()
	m := new(table.Memory)
	o := table.NewOverlay(m)
	Put(o, alice, Account{Balance: 100})
	Put(o, bob, Account{Balance: 50, Base: 3})
	PutStake(o, bob, 20)
	PutTotals(o, Totals{Supply: 200, Treasury: 30})
	if err := CheckChanges(o); err != nil {
		t.Fatal(err)
	}
	m.Apply(o.Changes())
	if err := CheckSupply(m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestConservingChanges(t *testing.T) {
	for name, change := range map[string]func(o *table.Overlay) error{
		"nothing":  func(*table.Overlay) error { return nil },
		"transfer": func(o *table.Overlay) error { return Transfer(o, alice, carol, 40) },
		"fee": func(o *table.Overlay) error {
			Put(o, alice, Account{Balance: 93})
			return Collect(o, 7)
		},
		"stake": func(o *table.Overlay) error {
			Put(o, bob, Account{Balance: 40})
			PutStake(o, bob, 30)
			return nil
		},
		"mint": func(o *table.Overlay) error {
			PutTotals(o, Totals{Supply: 205, Treasury: 35})
			return nil
		},
		"burn": func(o *table.Overlay) error {
			o.Delete(table.Stakes, bob[:])
			PutTotals(o, Totals{Supply: 180, Treasury: 30})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newLedger(t)
			o := table.NewOverlay(m)
			if err := change(o); err != nil {
				t.Fatal(err)
			}
			if err := CheckChanges(o); err != nil {
				t.Error(err)
			}
			m.Apply(o.Changes())
			if err := CheckSupply(m); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLeaksAreNoticed makes or loses coins in each place: both checks must notice.
func TestLeaksAreNoticed(t *testing.T) {
	for name, change := range map[string]func(o *table.Overlay){
		"balance from nothing":     func(o *table.Overlay) { Put(o, alice, Account{Balance: 101}) },
		"account from nothing":     func(o *table.Overlay) { Put(o, carol, Account{Balance: 1}) },
		"account lost":             func(o *table.Overlay) { o.Delete(table.Accounts, alice[:]) },
		"stake lost":               func(o *table.Overlay) { o.Delete(table.Stakes, bob[:]) },
		"fee lost":                 func(o *table.Overlay) { Put(o, alice, Account{Balance: 93}) },
		"treasury from nothing":    func(o *table.Overlay) { PutTotals(o, Totals{Supply: 200, Treasury: 31}) },
		"supply without coins":     func(o *table.Overlay) { PutTotals(o, Totals{Supply: 201, Treasury: 30}) },
		"balance that wraps round": func(o *table.Overlay) { Put(o, carol, Account{Balance: math.MaxUint64}) },
		"receiver's old balance": func(o *table.Overlay) {
			Put(o, alice, Account{Balance: 90})
			Put(o, bob, Account{Balance: 10})
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newLedger(t)
			o := table.NewOverlay(m)
			change(o)
			if err := CheckChanges(o); !errors.Is(err, ErrNotConserved) {
				t.Errorf("changes: %v", err)
			}
			m.Apply(o.Changes())
			if err := CheckSupply(m); !errors.Is(err, ErrNotConserved) {
				t.Errorf("rows: %v", err)
			}
		})
	}
}

func TestTransfer(t *testing.T) {
	tests := []struct {
		name     string
		from, to remora.Address
		amount   remora.Amount
		want     remora.Code
		balances [3]remora.Amount // of alice, bob, carol
	}{
		{"part", alice, bob, 40, remora.CodeOK, [3]remora.Amount{60, 90, 0}},
		{"all to a new account", alice, carol, 100, remora.CodeOK, [3]remora.Amount{0, 50, 100}},
		{"to itself", alice, alice, 100, remora.CodeOK, [3]remora.Amount{100, 50, 0}},
		{"too much", alice, bob, 101, remora.CodeInsufficientBalance, [3]remora.Amount{100, 50, 0}},
		{"too much to itself", alice, alice, 101, remora.CodeInsufficientBalance, [3]remora.Amount{100, 50, 0}},
		{"of nobody", carol, bob, 1, remora.CodeInsufficientBalance, [3]remora.Amount{100, 50, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := table.NewOverlay(newLedger(t))
			if got := codeOf(Transfer(o, tt.from, tt.to, tt.amount)); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			for i, address := range []remora.Address{alice, bob, carol} {
				if a, _, err := Get(o, address); err != nil || a.Balance != tt.balances[i] {
					t.Errorf("account %d holds %s (%v), want %s", i, a.Balance, err, tt.balances[i])
				}
			}
		})
	}
}

// TestTransferOverflow needs a state that no genesis makes: more coins than an amount can say.
func TestTransferOverflow(t *testing.T) {
	o := table.NewOverlay(newLedger(t))
	Put(o, bob, Account{Balance: math.MaxUint64})
	if got := codeOf(Transfer(o, alice, bob, 1)); got != remora.CodeOverflow {
		t.Errorf("%s, want %s", got, remora.CodeOverflow)
	}
}

func TestStake(t *testing.T) {
	m := newLedger(t)
	for account, want := range map[remora.Address]remora.Amount{bob: 20, alice: 0} {
		if got, err := Stake(m, account); err != nil || got != want {
			t.Errorf("stake %s (%v), want %s", got, err, want)
		}
	}
}

// TestCorruptRecords puts bytes that no node wrote under every kind of key.
func TestCorruptRecords(t *testing.T) {
	garbage := []byte{0xff}
	for name, read := range map[string]func(v table.View) error{
		"account": func(v table.View) error { _, _, err := Get(v, alice); return err },
		"stake":   func(v table.View) error { _, err := Stake(v, alice); return err },
		"totals":  func(v table.View) error { _, err := GetTotals(v); return err },
		"supply":  CheckSupply,
		"changes": func(v table.View) error {
			o := table.NewOverlay(v)
			Put(o, alice, Account{})
			return CheckChanges(o)
		},
		"collect": func(v table.View) error { return Collect(table.NewOverlay(v), 1) },
	} {
		m := new(table.Memory)
		m.Apply([]table.Change{
			{Table: table.Accounts, Key: alice[:], Value: garbage},
			{Table: table.Stakes, Key: alice[:], Value: garbage},
			{Table: table.Money, Key: totalsKey, Value: garbage},
		})
		if err := read(m); !errors.Is(err, remora.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
