package delivery

import (
	"log/slog"
	"math"

	"github.com/remora-network/remora"
	proof "github.com/remora-network/remora/proofs/delivery"
)

// addAmounts returns the sum of amounts, math.MaxUint64 when it does not fit.
func addAmounts(amounts ...remora.Amount) remora.Amount {
	total := remora.Amount(0)
	for _, a := range amounts {
		var fits bool
		if total, fits = total.Add(a); !fits {
			return math.MaxUint64
		}
	}
	return total
}

// makePlan closes an epoch for receipts and plans the claim of those it has. It drops the epoch where there is nothing to
// claim, and leaves it without a plan while the account cannot pay any claim's deposit.
func (c *claimer) makePlan(e remora.Epoch, j *job, m *moment) error {
	c.journal.closing.Lock()
	c.journal.open = max(c.journal.open, e+1)
	closed := map[string][]byte{string([]byte{rowOpen}): encodeOpen(c.journal.open)}
	c.journal.closing.Unlock()
	log := c.config.Logger.With(slog.Uint64("epoch", uint64(e)))
	chosen, err := c.chooseReceipts(e, m)
	if err != nil {
		return err
	}
	late := m.now > e+remora.ClaimEpochs
	switch {
	case late && (len(chosen.receipts) > 0 || chosen.unpaid > 0):
		log.Error("receipts are given up: no claim was planned in time", slog.Int("claimable", len(chosen.receipts)), slog.Int("without balance", chosen.unpaid))
		return c.dropEpoch(e, closed)
	case len(chosen.receipts) == 0 && chosen.unpaid > 0:
		if !j.waiting {
			log.Error("the account's balance does not cover the deposit of any claim: send it more", slog.Int("receipts", chosen.unpaid))
		}
		j.waiting = true
		return nil
	case len(chosen.receipts) == 0:
		log.Info("nothing to claim", slog.Int("receipts left out", chosen.left))
		return c.dropEpoch(e, closed)
	}
	if chosen.unpaid+chosen.left > 0 {
		log.Warn("claim leaves receipts out", slog.Int("without balance", chosen.unpaid), slog.Int("not claimable", chosen.left))
	}
	p := &plan{Commit: proof.NewCommitClaim(c.config.Domain, e, chosen.receipts), Deposit: chosen.deposit}
	closed[string(epochKey(rowPlan, e))] = remora.Encode(p)
	if err := c.journal.writeRows(closed, nil); err != nil {
		return err
	}
	j.plan = p
	return nil
}

// choice is the receipts of a claim, and the number of those left out.
type choice struct {
	receipts []remora.Receipt
	deposit  remora.Amount
	unpaid   int // receipts for which the balance is too low
	left     int // receipts that the chain would refuse, or beyond a claim's size
}

// chooseReceipts takes an epoch's receipts by ascending session, as many as a claim may have and the balance covers. It
// reserves the fees of the opening: a claim that cannot be opened is lost with its deposit.
func (c *claimer) chooseReceipts(e remora.Epoch, m *moment) (chosen choice, err error) {
	balance, err := c.config.Chain.Balance()
	if err != nil {
		return chosen, err
	}
	fees := &c.config.Params
	budget, fits := balance.Sub(addAmounts(m.spoken, fees.LeastFee(remora.MaxOpeningWeight)))
	err = c.journal.visitRows(epochKey(rowReceipt, e), func(_, value []byte) error {
		receipt, err := decodeRow[remora.SignedReceipt](value, maxReceiptRow)
		if err != nil {
			return err
		}
		worth, claimable, err := c.claimableValue(&receipt.Receipt)
		if err != nil {
			return err
		}
		deposit := addAmounts(chosen.deposit, worth)
		enough := addAmounts(deposit, fees.LeastFee(remora.WeighClaim(len(chosen.receipts)+1))) <= budget
		switch {
		case !claimable || len(chosen.receipts) == remora.MaxClaimItems:
			chosen.left++
		case !fits || !enough:
			chosen.unpaid++
		default:
			chosen.deposit = deposit
			chosen.receipts = append(chosen.receipts, receipt.Receipt)
		}
		return nil
	})
	return chosen, err
}

// claimableValue returns the value of a receipt, and whether the chain would pay it.
func (c *claimer) claimableValue(r *remora.Receipt) (value remora.Amount, ok bool, err error) {
	session, grant, found, err := c.config.Chain.Session(r.Session)
	if err != nil || !found || r.Epoch > session.Expiry || grant.Left < r.Bytes {
		return 0, false, err
	}
	value, ok = remora.Value(r.Bytes, session.Price)
	return value, ok, nil
}
