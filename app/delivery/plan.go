package delivery

import (
	"log/slog"
	"math"

	"github.com/remora-network/remora"
	proof "github.com/remora-network/remora/proofs/delivery"
)

// Sizes by which fees are reckoned, in bytes.
const (
	txOverhead = 512 // of a transaction around its body, with room to spare
	itemSize   = 24  // of a claim's item at most
)

// feeFor returns what a transaction of a size costs, the most there is when that does not fit.
func (s *claimer) feeFor(size int) remora.Amount {
	perByte, fits := s.c.Params.FeePerByte.Mul(uint64(size))
	if !fits {
		return math.MaxUint64
	}
	return addAmounts(s.c.Params.MinFee, perByte)
}

// addAmounts adds amounts, up to the most there is.
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

// makePlan closes an epoch for receipts and plans the claim of those that it has. Where there is nothing to claim it
// drops the epoch; where the account cannot pay for any claim yet it leaves the epoch without a plan.
func (s *claimer) makePlan(e remora.Epoch, j *job, r *moment) error {
	s.journal.closing.Lock()
	s.journal.open = max(s.journal.open, e+1)
	closed := map[string][]byte{string([]byte{rowOpen}): encodeOpen(s.journal.open)}
	s.journal.closing.Unlock()
	log := s.c.Logger.With(slog.Uint64("epoch", uint64(e)))
	c, err := s.chooseReceipts(e, r)
	if err != nil {
		return err
	}
	late := r.now > e+remora.ClaimEpochs
	switch {
	case late && (len(c.receipts) > 0 || c.unpaid > 0):
		log.Error("receipts are given up: no claim was planned in time", slog.Int("claimable", len(c.receipts)), slog.Int("without balance", c.unpaid))
		return s.dropEpoch(e, closed)
	case len(c.receipts) == 0 && c.unpaid > 0:
		if !j.waiting {
			log.Error("the account's balance does not cover the deposit of any claim: send it more", slog.Int("receipts", c.unpaid))
		}
		j.waiting = true
		return nil
	case len(c.receipts) == 0:
		log.Info("nothing to claim", slog.Int("receipts left out", c.left))
		return s.dropEpoch(e, closed)
	}
	if c.unpaid+c.left > 0 {
		log.Warn("claim leaves receipts out", slog.Int("without balance", c.unpaid), slog.Int("not claimable", c.left))
	}
	p := c.planClaim(s.c.ChainID, e)
	closed[string(epochKey(rowPlan, e))] = remora.Encode(p)
	if err := s.journal.writeRows(closed, nil); err != nil {
		return err
	}
	j.plan = p
	return nil
}

// choice is the receipts that a claim takes.
type choice struct {
	receipts []remora.Receipt
	deposit  remora.Amount
	unpaid   int // receipts for which the balance is too low
	left     int // receipts that cannot be claimed, or not in this claim
}

// chooseReceipts takes receipts of an epoch by ascending session, as many as a claim may have and the balance covers. The fees
// of the claim's opening are kept back: a claim that cannot be opened is lost with its deposit.
func (s *claimer) chooseReceipts(e remora.Epoch, r *moment) (c choice, err error) {
	balance, err := s.c.Chain.Balance()
	if err != nil {
		return c, err
	}
	budget, fits := balance.Sub(addAmounts(r.spoken, s.feeFor(txOverhead), s.feeFor(remora.MaxTxBytes)))
	perItem, fitsToo := s.c.Params.FeePerByte.Mul(itemSize)
	poor := !fits || !fitsToo
	err = s.journal.visitRows(epochKey(rowReceipt, e), func(_, value []byte) error {
		receipt, err := decodeReceipt(value)
		if err != nil {
			return err
		}
		worth, claimable, err := s.claimableValue(&receipt.Receipt)
		if err != nil {
			return err
		}
		rest, enough := budget.Sub(addAmounts(worth, perItem))
		switch {
		case !claimable || len(c.receipts) == remora.MaxClaimItems:
			c.left++
		case poor || !enough:
			c.unpaid++
		default:
			budget = rest
			c.deposit = addAmounts(c.deposit, worth)
			c.receipts = append(c.receipts, receipt.Receipt)
		}
		return nil
	})
	return c, err
}

// claimableValue returns what a receipt is worth, and whether the chain would pay for it.
func (s *claimer) claimableValue(r *remora.Receipt) (value remora.Amount, ok bool, err error) {
	session, grant, found, err := s.c.Chain.Session(r.Session)
	if err != nil || !found || r.Epoch > session.Expiry || grant.Left < r.Bytes {
		return 0, false, err
	}
	value, ok = remora.Value(r.Bytes, session.Price)
	return value, ok, nil
}

func (c *choice) planClaim(chainID string, e remora.Epoch) *plan {
	p := &plan{Commit: remora.CommitClaim{Epoch: e, Receipts: proof.ReceiptsRoot(chainID, c.receipts)}, Deposit: c.deposit}
	for i := range c.receipts {
		r := &c.receipts[i]
		p.Commit.Items = append(p.Commit.Items, remora.ClaimItem{Session: r.Session, Bytes: r.Bytes})
		p.Commit.Total += r.Bytes
	}
	return p
}
