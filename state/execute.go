package state

import (
	"errors"
	"math"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/beacon"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

// Admit judges one transaction as if it were alone in the next block after view. The error is the *remora.Rejection
// that execution would record, or a failure to read the state.
func (m *Machine) Admit(view View, raw []byte, v verdict.Verifier) error {
	block, err := m.block(view, view.Tip.Time+1)
	if err != nil {
		return err
	}
	x := m.newExecution(table.NewOverlay(view.Tables), block, v)
	return x.run(raw)
}

// block describes the block after view to the rules of deliveries.
func (m *Machine) block(view View, time remora.Millis) (*delivery.Block, error) {
	epoch, err := registry.GetEpoch(view.Tables)
	if err != nil {
		return nil, err
	}
	seed, err := beacon.GetSeed(view.Tables)
	return &delivery.Block{
		ChainID: m.genesis.ChainID, Params: &m.genesis.Params, Height: view.Tip.Height + 1, Time: time, Epoch: epoch.Number, Step: seed.Step,
	}, err
}

// execution runs the transactions of one block over its overlay.
type execution struct {
	block    *delivery.Block
	dev      bool
	tables   *table.Overlay
	verifier verdict.Verifier
	fees     remora.Amount // charged and not yet in the treasury
}

func (m *Machine) newExecution(o *table.Overlay, b *delivery.Block, v verdict.Verifier) *execution {
	return &execution{block: b, dev: remora.IsDev(b.ChainID), tables: o, verifier: v}
}

// execute runs the batches and returns one code per transaction.
func (x *execution) execute(batches []remora.Batch) ([]byte, error) {
	count := 0
	for i := range batches {
		count += batches[i].Count
	}
	results := make([]byte, 0, count)
	for i := range batches {
		for _, raw := range batches[i].Txs() {
			code, err := x.code(raw)
			if err != nil {
				return nil, err
			}
			results = append(results, byte(code))
		}
	}
	return results, ledger.Collect(x.tables, x.fees)
}

// code runs a transaction and returns its outcome. The error is a failure to read the state.
func (x *execution) code(raw []byte) (remora.Code, error) {
	err := x.run(raw)
	if err == nil {
		return remora.CodeOK, nil
	}
	var r *remora.Rejection
	if errors.As(err, &r) {
		return r.Code, nil
	}
	return 0, err
}

// run executes a transaction. A Rejection before the sender is charged leaves the state as it was; after that only fee
// and nonce remain.
func (x *execution) run(raw []byte) error {
	if remora.IsOpaque(raw) {
		return x.opaque(raw)
	}
	tx, err := open(raw, x.block.ChainID)
	if err != nil {
		return err
	}
	if !x.verifier.Holds(signed(tx)) {
		return remora.Reject(remora.CodeBadSignature, "the signature is not %s's over this transaction", tx.From)
	}
	if err := x.charge(tx, len(raw)); err != nil {
		return err
	}
	x.tables.Checkpoint()
	if err := rules[tx.Kind](x, tx); err != nil {
		x.tables.Rollback()
		return err
	}
	return nil
}

func (x *execution) opaque(raw []byte) error {
	switch {
	case len(raw) > remora.MaxTxBytes:
		return errTooLarge
	case !isExactOpaque(raw):
		return errNotOpaque
	case !x.dev:
		return errOpaqueKind
	}
	return nil
}

// charge takes the fee and the nonce from the sender's account.
func (x *execution) charge(tx *remora.Tx, size int) error {
	sender, exists, err := ledger.Get(x.tables, tx.From)
	if err != nil {
		return err
	}
	if !exists {
		return remora.Reject(remora.CodeUnknownAccount, "no account %s: it comes into being when it first receives", tx.From)
	}
	if err := sender.CheckNonce(tx.Nonce); err != nil {
		return err
	}
	if least := x.leastFee(size); tx.Fee < least {
		return remora.Reject(remora.CodeFeeTooLow, "fee %s, a transaction of %d bytes costs at least %s", tx.Fee, size, least)
	}
	rest, enough := sender.Balance.Sub(tx.Fee)
	if !enough {
		return remora.Reject(remora.CodeInsufficientBalance, "the account holds %s, the fee is %s", sender.Balance, tx.Fee)
	}
	sender.Balance = rest
	sender.UseNonce(tx.Nonce)
	ledger.Put(x.tables, tx.From, sender)
	x.fees += tx.Fee // fits: fees come from balances, whose sum does
	return nil
}

// leastFee saturates: parameters beyond what an amount can say make a chain on which nobody can pay.
func (x *execution) leastFee(size int) remora.Amount {
	perByte, fits := x.block.Params.FeePerByte.Mul(uint64(size))
	least, fitsToo := perByte.Add(x.block.Params.MinFee)
	if !fits || !fitsToo {
		return math.MaxUint64
	}
	return least
}

// rules executes the body of each kind of signed transaction, whose sender has paid. A kind without a rule is refused.
var rules = [...]func(*execution, *remora.Tx) error{
	remora.KindTransfer: rule((*execution).transfer),
	remora.KindRegisterNode: rule(func(x *execution, tx *remora.Tx, in *remora.Node) error {
		return registry.Register(x.tables, x.verifier, tx.From, in)
	}),
	remora.KindRegisterContent: rule(func(x *execution, tx *remora.Tx, in *remora.RegisterContent) error {
		return registry.RegisterContent(x.tables, tx.From, in)
	}),
	remora.KindOpenSession: rule(func(x *execution, tx *remora.Tx, in *remora.OpenSession) error {
		return delivery.Open(x.tables, x.block, x.verifier, tx.From, in)
	}),
	remora.KindCloseSession: rule(func(x *execution, tx *remora.Tx, in *remora.CloseSession) error {
		return delivery.Close(x.tables, x.block, tx.From, in)
	}),
	remora.KindCommitClaim: rule(func(x *execution, tx *remora.Tx, in *remora.CommitClaim) error {
		return delivery.Commit(x.tables, x.block, tx.From, in)
	}),
	remora.KindOpenClaim: rule(func(x *execution, tx *remora.Tx, in *remora.OpenClaim) error {
		return delivery.Settle(x.tables, x.block, x.verifier, tx.From, in)
	}),
}

// rule decodes a transaction's body before the rule for it is applied.
func rule[Body any](apply func(*execution, *remora.Tx, *Body) error) func(*execution, *remora.Tx) error {
	return func(x *execution, tx *remora.Tx) error {
		in := new(Body)
		if err := tx.DecodeBody(in); err != nil {
			return err
		}
		return apply(x, tx, in)
	}
}

func (x *execution) transfer(tx *remora.Tx, in *remora.Transfer) error {
	if in.Amount == 0 {
		return remora.Reject(remora.CodeInvalidAmount, "a transfer of 0 moves nothing: send at least 1")
	}
	if _, fits := in.Amount.Add(tx.Fee); !fits {
		return remora.Reject(remora.CodeOverflow, "amount %s and fee %s pass 2^64 base units", in.Amount, tx.Fee)
	}
	return ledger.Transfer(x.tables, tx.From, in.To, in.Amount)
}
