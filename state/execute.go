package state

import (
	"errors"

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
	clock, err := registry.GetClock(view.Tables)
	if err != nil {
		return err
	}
	block, err := m.describeBlock(view, clock.Active+1)
	if err != nil {
		return err
	}
	x := m.newExecution(table.NewOverlay(view.Tables), block, v)
	return x.runTx(raw)
}

// describeBlock returns the data of the block after view that the rules need, among it its time on the active clock.
func (m *Machine) describeBlock(view View, time remora.Millis) (*delivery.Block, error) {
	epoch, err := registry.GetEpoch(view.Tables)
	if err != nil {
		return nil, err
	}
	seed, err := beacon.GetSeed(view.Tables)
	return &delivery.Block{
		Domain: m.committee.Domain, Params: &m.genesis.Params, Height: view.Tip.Height + 1, Time: time, Epoch: epoch.Number, Step: seed.Step,
	}, err
}

// execution runs the transactions of one block over its overlay.
type execution struct {
	block    *delivery.Block
	chainID  string
	dev      bool
	tables   *table.Overlay
	verifier verdict.Verifier
	fees     remora.Amount // charged and not yet in the treasury
}

func (m *Machine) newExecution(o *table.Overlay, b *delivery.Block, v verdict.Verifier) *execution {
	return &execution{block: b, chainID: m.genesis.ChainID, dev: remora.IsDev(m.genesis.ChainID), tables: o, verifier: v}
}

// runBatches executes the batches and returns one code per transaction.
func (x *execution) runBatches(batches []remora.Batch) ([]byte, error) {
	count := 0
	for i := range batches {
		count += batches[i].Count
	}
	results := make([]byte, 0, count)
	for i := range batches {
		var err error
		if results, err = x.runBatch(results, &batches[i]); err != nil {
			return nil, err
		}
	}
	return results, ledger.Collect(x.tables, x.fees)
}

// runBatch executes a batch and appends its results. What follows the first fault of its author is skipped, unverified, and
// so is what would pass the weight that the author declared.
func (x *execution) runBatch(results []byte, b *remora.Batch) ([]byte, error) {
	left, skip := b.Weight, false
	for _, raw := range b.Txs() {
		if weight := remora.WeighTx(raw); skip || weight > left {
			skip = true
			results = append(results, byte(remora.CodeSkipped))
			continue
		} else {
			left -= weight
		}
		code, isFault, err := x.runForCode(raw)
		if err != nil {
			return nil, err
		}
		skip = isFault
		results = append(results, byte(code))
	}
	return results, nil
}

// runForCode executes a transaction and returns its result, and whether it is one that no honest author puts into a batch.
// The error is a failure to read the state.
func (x *execution) runForCode(raw []byte) (code remora.Code, isFault bool, err error) {
	err = x.runTx(raw)
	if err == nil {
		return remora.CodeOK, false, nil
	}
	var f fault
	var r *remora.Rejection
	if errors.As(err, &r) {
		return r.Code, errors.As(err, &f), nil
	}
	return 0, false, err
}

// fault is the rejection of a transaction that is wrong whatever the state is.
type fault struct{ *remora.Rejection }

func asFault(err error) error {
	var r *remora.Rejection
	if errors.As(err, &r) {
		return fault{r}
	}
	return err
}

// Unwrap makes a fault a Rejection.
func (f fault) Unwrap() error { return f.Rejection }

// runTx executes a transaction. A Rejection before the sender is charged leaves the state as it was; after a later one,
// fee and nonce remain taken.
func (x *execution) runTx(raw []byte) error {
	if remora.IsOpaque(raw) {
		return asFault(x.checkOpaque(raw))
	}
	tx, err := decodeSigned(raw, x.chainID)
	if err != nil {
		return asFault(err)
	}
	if !x.verifier.Holds(signatureOf(tx, x.block.Domain)) {
		return asFault(remora.Reject(remora.CodeBadSignature, "the signature over this transaction is not by %s", tx.From))
	}
	if err := x.chargeSender(tx, len(raw)); err != nil {
		return err
	}
	x.tables.Checkpoint()
	if err := rules[tx.Kind](x, tx); err != nil {
		x.tables.Rollback()
		return err
	}
	return nil
}

func (x *execution) checkOpaque(raw []byte) error {
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

// chargeSender takes the fee and the nonce from the sender's account.
func (x *execution) chargeSender(tx *remora.Tx, size int) error {
	sender, exists, err := ledger.Get(x.tables, tx.From)
	if err != nil {
		return err
	}
	if !exists {
		return remora.Reject(remora.CodeUnknownAccount, "account %s does not exist: the first transfer to it creates it", tx.From)
	}
	if err := sender.CheckNonce(tx.Nonce); err != nil {
		return err
	}
	if least := x.block.Params.LeastFee(size); tx.Fee < least {
		return remora.Reject(remora.CodeFeeTooLow, "the fee is %s, a transaction of %d bytes costs at least %s", tx.Fee, size, least)
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

// rules execute the body of a signed transaction, by its kind, after the sender has paid. A kind without a rule is refused.
var rules = [...]func(*execution, *remora.Tx) error{
	remora.KindTransfer: withBody((*execution).runTransfer),
	remora.KindRegisterNode: withBody(func(x *execution, tx *remora.Tx, in *remora.Node) error {
		return registry.Register(x.tables, x.verifier, tx.From, in)
	}),
	remora.KindRegisterContent: withBody(func(x *execution, tx *remora.Tx, in *remora.RegisterContent) error {
		return registry.RegisterContent(x.tables, tx.From, in)
	}),
	remora.KindOpenSession: withBody(func(x *execution, tx *remora.Tx, in *remora.OpenSession) error {
		return delivery.Open(x.tables, x.block, x.verifier, tx.From, in)
	}),
	remora.KindCloseSession: withBody(func(x *execution, tx *remora.Tx, in *remora.CloseSession) error {
		return delivery.Close(x.tables, x.block, tx.From, in)
	}),
	remora.KindCommitClaim: withBody(func(x *execution, tx *remora.Tx, in *remora.CommitClaim) error {
		return delivery.Commit(x.tables, x.block, tx.From, in)
	}),
	remora.KindOpenClaim: withBody(func(x *execution, _ *remora.Tx, in *remora.OpenClaim) error {
		return delivery.Settle(x.tables, x.block, x.verifier, in)
	}),
}

// withBody returns a rule that decodes the transaction's body and applies another rule to it.
func withBody[Body any](apply func(*execution, *remora.Tx, *Body) error) func(*execution, *remora.Tx) error {
	return func(x *execution, tx *remora.Tx) error {
		in := new(Body)
		if err := tx.DecodeBody(in); err != nil {
			return err
		}
		return apply(x, tx, in)
	}
}

func (x *execution) runTransfer(tx *remora.Tx, in *remora.Transfer) error {
	if in.Amount == 0 {
		return remora.Reject(remora.CodeInvalidAmount, "the amount is 0: send at least 1 base unit")
	}
	if _, fits := in.Amount.Add(tx.Fee); !fits {
		return remora.Reject(remora.CodeOverflow, "amount %s and fee %s add up to 2^64 base units or more", in.Amount, tx.Fee)
	}
	return ledger.Transfer(x.tables, tx.From, in.To, in.Amount)
}
