package ledger

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// Transfer moves amount between accounts, which may be the same one, and creates the second when there is none.
// It returns a Rejection, with nothing changed, when from has less or to would hold more than an amount can say.
func Transfer(o *table.Overlay, from, to remora.Address, amount remora.Amount) error {
	sender, exists, err := Get(o, from)
	if err != nil {
		return err
	}
	rest, enough := sender.Balance.Sub(amount)
	if !exists || !enough {
		return remora.Reject(remora.CodeInsufficientBalance, "the account holds %s besides the fee, %s are to be sent",
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
