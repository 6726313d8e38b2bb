package state_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/statetest"
)

// model is a simple model of the ledger: balances in a map, used nonces in a set.
type model struct {
	balance  map[string]remora.Amount
	used     map[string]map[uint64]bool
	treasury remora.Amount
}

func newModel(funded ...string) *model {
	m := &model{balance: make(map[string]remora.Amount), used: make(map[string]map[uint64]bool)}
	for _, name := range funded {
		m.balance[name] = statetest.Balance
	}
	return m
}

func (m *model) nextNonce(name string) uint64 {
	n := uint64(0)
	for m.used[name][n] {
		n++
	}
	return n
}

type move struct {
	from, to    string
	nonce       uint64
	until       remora.Epoch
	forged      bool
	fee, amount remora.Amount
}

// applyMove executes a move in a block of an epoch. least is the lowest fee.
func (m *model) applyMove(x move, epoch remora.Epoch, least remora.Amount) remora.Code {
	balance, exists := m.balance[x.from]
	switch {
	case x.until < epoch:
		return remora.CodeExpired
	case x.fee < least:
		return remora.CodeFeeTooLow
	case !exists:
		return remora.CodeUnknownAccount
	case m.used[x.from][x.nonce]:
		return remora.CodeNonceUsed
	case x.nonce > m.nextNonce(x.from)+63:
		return remora.CodeNonceTooFar
	case x.forged:
		return remora.CodeBadSignature
	}
	if m.used[x.from] == nil {
		m.used[x.from] = make(map[uint64]bool)
	}
	m.used[x.from][x.nonce] = true
	paid := min(x.fee, balance)
	m.balance[x.from] -= paid
	m.treasury += paid
	switch {
	case paid < x.fee:
		return remora.CodeInsufficientBalance
	case x.amount == 0:
		return remora.CodeInvalidAmount
	case m.balance[x.from] < x.amount:
		return remora.CodeInsufficientBalance
	}
	m.balance[x.from] -= x.amount
	m.balance[x.to] += x.amount
	return remora.CodeOK
}

// TestModel runs random transfers among funded, empty and new accounts through blocks and through the model.
func TestModel(t *testing.T) {
	names := []string{"alice", "bob", "carol", "dave", "erin"}
	rapid.Check(t, func(rt *rapid.T) {
		g := statetest.Genesis(dev, 4, names[:2]...)
		c, m := statetest.NewChain(t, g), newModel(names[:2]...)
		for range rapid.IntRange(1, 4).Draw(rt, "blocks") {
			if rapid.Bool().Draw(rt, "new epoch") {
				c.EndEpoch()
			}
			epoch := c.Epoch().Number
			var txs [][]byte
			var want []remora.Code
			for range rapid.IntRange(1, 12).Draw(rt, "transactions") {
				x := drawMove(rt, m, names, epoch)
				tx := statetest.Tx(c.Genesis, x.from, x.nonce, remora.KindTransfer, remora.Transfer{To: statetest.Address(x.to), Amount: x.amount})
				tx.Fee, tx.ValidUntil = x.fee, x.until
				raw := statetest.Signed(c.Genesis, tx)
				if x.forged {
					raw[len(raw)-1] ^= 1
				}
				code := remora.CodeSkipped // behind a fault
				if !slices.Contains(want, remora.CodeBadSignature) {
					code = m.applyMove(x, epoch, g.Params.LeastFee(remora.WeighTx(raw)))
				}
				txs, want = append(txs, raw), append(want, code)
			}
			if got := c.Run(txs...); !slices.Equal(got, want) {
				rt.Fatalf("codes %v, the model says %v", got, want)
			}
			compareAccounts(rt, c, m, names)
		}
	})
}

func drawMove(rt *rapid.T, m *model, names []string, epoch remora.Epoch) move {
	x := move{from: rapid.SampledFrom(names).Draw(rt, "from"), to: rapid.SampledFrom(names).Draw(rt, "to")}
	x.nonce = m.nextNonce(x.from) + rapid.SampledFrom([]uint64{0, 0, 0, 0, 1, 2, 5, 62, 63, 64, 1 << 40}).Draw(rt, "gap")
	x.nonce -= min(x.nonce, rapid.SampledFrom([]uint64{0, 0, 0, 1, 2}).Draw(rt, "back"))
	x.fee = rapid.SampledFrom([]remora.Amount{statetest.Fee, statetest.Fee, statetest.Fee, 5, statetest.Balance / 2}).Draw(rt, "fee")
	x.amount = rapid.SampledFrom([]remora.Amount{0, 1, 10_000, m.balance[x.from] / 2, m.balance[x.from], statetest.Balance}).Draw(rt, "amount")
	x.until = epoch + rapid.SampledFrom([]remora.Epoch{0, 1, 1, 2, 1 << 50}).Draw(rt, "until") - 1
	x.forged = rapid.IntRange(0, 9).Draw(rt, "forged") == 0
	return x
}

func compareAccounts(rt *rapid.T, c *statetest.Chain, m *model, names []string) {
	for _, name := range names {
		a, exists, err := ledger.Get(c.Tables(), statetest.Address(name))
		if err != nil {
			rt.Fatal(err)
		}
		balance, want := m.balance[name]
		if exists != want || a.Balance != balance || a.Nonce() != m.nextNonce(name) {
			rt.Fatalf("%s: %+v (exists %v), the model says balance %s, nonce %d (exists %v)", name, a, exists, balance, m.nextNonce(name), want)
		}
	}
	totals, err := ledger.GetTotals(c.Tables())
	if err != nil {
		rt.Fatal(err)
	}
	supply := 2*statetest.Balance + 4*statetest.Stake
	if got := fmt.Sprint(totals.Treasury, totals.Supply); got != fmt.Sprint(m.treasury, supply) {
		rt.Fatalf("treasury and supply %s, the model says %s %s", got, m.treasury, supply)
	}
}
