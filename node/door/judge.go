package door

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/admission"
	"github.com/remora-network/remora/state/ledger"
)

// maxCheapItems is the number of items of a claim up to which its rule costs no more than a signature.
const maxCheapItems = 16

// isCostly reports whether the rule of a transaction costs much more than its signature: it verifies pairings, or many items.
func isCostly(raw []byte) bool {
	work := remora.MeasureTx(raw)
	return work.Possessions > 0 || work.Openings > 0 || work.Items > maxCheapItems
}

// describeTx returns what admission knows of a transaction.
func describeTx(tx *remora.Tx, raw []byte, hash remora.Hash) admission.Tx {
	entry := admission.Tx{Hash: hash, From: tx.From, Nonce: tx.Nonce, Cost: tx.Fee, Bytes: len(raw), Until: tx.ValidUntil}
	var transfer remora.Transfer
	if tx.Kind == remora.KindTransfer && tx.DecodeBody(&transfer) == nil {
		if sum, fits := tx.Fee.Add(transfer.Amount); fits {
			entry.Cost = sum
		}
	}
	return entry
}

// checkSender judges a transaction by its weight and its sender's account alone, which is nil if there is none.
func (d *Door) checkSender(account *ledger.Account, c *candidate, weight remora.Weight) error {
	tx := c.tx
	if account == nil {
		return remora.Reject(remora.CodeUnknownAccount, "account %s does not exist: the first transfer to it creates it", tx.From)
	}
	if err := account.CheckNonce(tx.Nonce); err != nil {
		return err
	}
	if least := d.Genesis.Params.LeastFee(weight); tx.Fee < least {
		return remora.Reject(remora.CodeFeeTooLow, "the fee is %s, a transaction of weight %d costs at least %s", tx.Fee, weight, least)
	}
	if account.Balance < c.entry.Cost {
		return remora.Reject(remora.CodeInsufficientBalance, "the account holds %s, fee and amount are %s", account.Balance, c.entry.Cost)
	}
	return nil
}
