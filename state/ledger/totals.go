package ledger

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// ErrNotConserved says that coins appeared or vanished. It is a defect of the state machine, never of an input.
var ErrNotConserved = errors.New("coins are not conserved")

var totalsKey = []byte("totals")

// Totals are the sums that the ledger keeps: Supply = all balances, stakes, grants and claims + Treasury.
type Totals struct {
	_        struct{} `cbor:",toarray"`
	Supply   remora.Amount
	Treasury remora.Amount // collected fees
}

// GetTotals returns the totals.
func GetTotals(v table.View) (t Totals, err error) {
	_, err = table.Load(v, table.Money, totalsKey, maxRecord, &t)
	return t, err
}

// PutTotals writes the totals.
func PutTotals(o *table.Overlay, t Totals) { o.Put(table.Money, totalsKey, remora.Encode(t)) }

// Collect adds fees, which their payers' balances no longer hold, to the treasury.
func Collect(o *table.Overlay, fees remora.Amount) error {
	if fees == 0 {
		return nil
	}
	t, err := GetTotals(o)
	if err != nil {
		return err
	}
	treasury, fits := t.Treasury.Add(fees)
	if !fits {
		return fmt.Errorf("%w: treasury %s and fees %s add up to 2^64 or more", ErrNotConserved, t.Treasury, fees)
	}
	t.Treasury = treasury
	PutTotals(o, t)
	return nil
}

// Stake returns the stake of an account.
func Stake(v table.View, account remora.Address) (stake remora.Amount, err error) {
	_, err = table.Load(v, table.Stakes, account[:], maxRecord, &stake)
	return stake, err
}

// PutStake writes the stake of an account.
func PutStake(o *table.Overlay, account remora.Address, stake remora.Amount) {
	o.Put(table.Stakes, account[:], remora.Encode(stake))
}

// held lists the tables whose rows hold coins. amount returns the coins of a row, none for an absent one.
var held = []struct {
	table  table.ID
	amount func(value []byte) (remora.Amount, error)
}{
	{table.Accounts, func(b []byte) (remora.Amount, error) {
		if b == nil {
			return 0, nil
		}
		a, err := DecodeAccount(b)
		if err != nil {
			err = fmt.Errorf("%w: %w", remora.ErrCorrupt, err)
		}
		return a.Balance, err
	}},
	{table.Stakes, func(b []byte) (stake remora.Amount, err error) {
		err = decodeHeld(b, &stake)
		return stake, err
	}},
	{table.Money, func(b []byte) (remora.Amount, error) {
		var t Totals
		err := decodeHeld(b, &t)
		return t.Treasury, err
	}},
	{table.Grants, func(b []byte) (remora.Amount, error) {
		var g remora.Grant
		err := decodeHeld(b, &g)
		return g.Held, err
	}},
	{table.Claims, func(b []byte) (remora.Amount, error) {
		c := remora.Claim{State: remora.ClaimRejected}
		err := decodeHeld(b, &c)
		return c.Locked(), err
	}},
}

// maxHeld bounds an encoded record that holds coins.
const maxHeld = 512

func decodeHeld(b []byte, record any) error {
	if b == nil {
		return nil
	}
	if err := remora.Decode(b, maxHeld, record); err != nil {
		return fmt.Errorf("%w: record that holds coins: %w", remora.ErrCorrupt, err)
	}
	return nil
}

// CheckChanges verifies that the coins in changed rows changed by as much as the supply. The sums wrap around, which cannot
// hide a difference since the supply stays below 2^63.
func CheckChanges(o *table.Overlay) error {
	var before, now remora.Amount
	for _, h := range held {
		err := o.Diff(h.table, func(_ string, was, is []byte) error {
			a, err := h.amount(was)
			if err != nil {
				return err
			}
			b, err := h.amount(is)
			before, now = before+a, now+b
			return err
		})
		if err != nil {
			return err
		}
	}
	var minted remora.Amount
	err := o.Diff(table.Money, func(_ string, was, is []byte) error {
		var a, b Totals
		err := errors.Join(decodeHeld(was, &a), decodeHeld(is, &b))
		minted = b.Supply - a.Supply
		return err
	})
	if err == nil && before+minted != now {
		err = fmt.Errorf("%w: changed rows held %s before and %s after, the supply changed by %s (mod 2^64)",
			ErrNotConserved, before, now, minted)
	}
	return err
}

// CheckSupply compares the sum of all rows with the supply. It is for auditors and tests: it reads the whole state.
func CheckSupply(v table.View) error {
	totals, err := GetTotals(v)
	if err != nil {
		return err
	}
	var sum remora.Amount
	fits := true
	for _, h := range held {
		var bad error
		err := v.Ascend(h.table, nil, func(_, value []byte) bool {
			var amount remora.Amount
			if amount, bad = h.amount(value); bad == nil {
				sum, fits = sum.Add(amount)
			}
			return bad == nil && fits
		})
		if err := errors.Join(err, bad); err != nil {
			return err
		}
		if !fits {
			break
		}
	}
	if !fits || sum != totals.Supply {
		return fmt.Errorf("%w: all rows hold %s, the supply is %s", ErrNotConserved, sum, totals.Supply)
	}
	return nil
}
