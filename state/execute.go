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
)

// Admit judges one transaction as if it were alone in the next block after view. The error is the *remora.Rejection
// that execution would record, or a failure to read the state.
func (m *Machine) Admit(view View, raw []byte, v Verifier) error {
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
	verifier Verifier
	fees     remora.Amount // charged and not yet in the treasury
}

func (m *Machine) newExecution(o *table.Overlay, b *delivery.Block, v Verifier) *execution {
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
	message := tx.Message()
	if !x.verifier.Signature(tx.From, message[:], tx.Signature) {
		return remora.Reject(remora.CodeBadSignature, "the signature is not %s's over this transaction", tx.From)
	}
	if err := x.charge(tx, len(raw)); err != nil {
		return err
	}
	x.tables.Checkpoint()
	if err := x.perform(tx); err != nil {
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

// perform executes the body of a transaction whose sender has paid.
func (x *execution) perform(tx *remora.Tx) error {
	switch tx.Kind {
	case remora.KindTransfer:
		return x.transfer(tx)
	case remora.KindRegisterNode:
		return with(tx, func(in *remora.Node) error { return registry.Register(x.tables, x.verifier, tx.From, in) })
	case remora.KindRegisterContent:
		return with(tx, func(in *remora.RegisterContent) error { return registry.RegisterContent(x.tables, tx.From, in) })
	case remora.KindOpenSession:
		return with(tx, func(in *remora.OpenSession) error { return delivery.Open(x.tables, x.block, x.verifier, tx.From, in) })
	case remora.KindCloseSession:
		return with(tx, func(in *remora.CloseSession) error { return delivery.Close(x.tables, x.block, tx.From, in) })
	case remora.KindCommitClaim:
		return with(tx, func(in *remora.CommitClaim) error { return delivery.Commit(x.tables, x.block, tx.From, in) })
	case remora.KindOpenClaim:
		return with(tx, func(in *remora.OpenClaim) error { return delivery.Settle(x.tables, x.block, x.verifier, tx.From, in) })
	default:
		return remora.Reject(remora.CodeKindNotAllowed, "%s is no kind of signed transaction of this version", tx.Kind)
	}
}

// with decodes a transaction's body for the rule that applies to it.
func with[Body any](tx *remora.Tx, rule func(*Body) error) error {
	in := new(Body)
	if err := tx.DecodeBody(in); err != nil {
		return err
	}
	return rule(in)
}

func (x *execution) transfer(tx *remora.Tx) error {
	var t remora.Transfer
	if err := tx.DecodeBody(&t); err != nil {
		return err
	}
	if t.Amount == 0 {
		return remora.Reject(remora.CodeInvalidAmount, "a transfer of 0 moves nothing: send at least 1")
	}
	if _, fits := t.Amount.Add(tx.Fee); !fits {
		return remora.Reject(remora.CodeOverflow, "amount %s and fee %s pass 2^64 base units", t.Amount, tx.Fee)
	}
	return ledger.Transfer(x.tables, tx.From, t.To, t.Amount)
}
