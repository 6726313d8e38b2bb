package ledger

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// Transfer moves amount between two accounts, which may be the same, and creates the second if there is none. It returns a
// Rejection, with nothing changed, when from has less or the balance of to would overflow.
func Transfer(o *table.Overlay, from, to remora.Address, amount remora.Amount) error {
	sender, exists, err := Get(o, from)
	if err != nil {
		return err
	}
	rest, enough := sender.Balance.Sub(amount)
	if !exists || !enough {
		return remora.Reject(remora.CodeInsufficientBalance, "the account holds %s after the fee, the transfer is of %s",
			sender.Balance, amount)
	}
	if from == to {
		return nil
	}
	receiver, _, err := Get(o, to)
	if err != nil {
		return err
	}
	sum, fits := receiver.Balance.Add(amount)
	if !fits {
		return remora.Reject(remora.CodeOverflow, "the receiver's balance would pass 2^64 base units")
	}
	sender.Balance, receiver.Balance = rest, sum
	Put(o, from, sender)
	Put(o, to, receiver)
	return nil
}

// Take removes amount from an account; the caller must store it elsewhere. It returns a Rejection, with nothing changed, when
// the account has less.
func Take(o *table.Overlay, from remora.Address, amount remora.Amount) error {
	account, exists, err := Get(o, from)
	if err != nil {
		return err
	}
	rest, enough := account.Balance.Sub(amount)
	if !exists || !enough {
		return remora.Reject(remora.CodeInsufficientBalance, "the account holds %s after the fee, the transaction takes %s", account.Balance, amount)
	}
	account.Balance = rest
	Put(o, from, account)
	return nil
}

// Give adds amount, which the caller has taken from elsewhere, to an account, and creates the account if there is none. The
// balance does not overflow, since the supply does not.
func Give(o *table.Overlay, to remora.Address, amount remora.Amount) error {
	account, _, err := Get(o, to)
	if err != nil {
		return err
	}
	account.Balance += amount
	Put(o, to, account)
	return nil
}

// Burn removes amount from the supply. The caller has removed it from the row that held it.
func Burn(o *table.Overlay, amount remora.Amount) error {
	t, err := GetTotals(o)
	if err != nil {
		return err
	}
	t.Supply -= amount
	PutTotals(o, t)
	return nil
}
