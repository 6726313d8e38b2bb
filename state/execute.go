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

// Admit judges one transaction as if it were alone in the next block after view, in a batch of its epoch. The checks come in
// the order of what they cost: encoding, sender, balance, signature, the rule of its kind, and pairings last. The error is a
// *remora.Rejection, or a failure to read the state. Execution would record the same code, unless the signature is wrong as
// well.
func (m *Machine) Admit(view View, raw []byte, v verdict.Verifier) error {
	tx, err := m.OpenTx(raw)
	if err != nil || tx == nil {
		return err
	}
	clock, err := registry.GetClock(view.Tables)
	if err != nil {
		return err
	}
	block, err := m.describeBlock(view, clock.Active+1)
	if err != nil {
		return err
	}
	x := m.newExecution(table.NewOverlay(view.Tables), block, v)
	sender, err := x.checkSender(tx, remora.WeighTx(raw), block.Epoch)
	if err != nil {
		return err
	}
	if sender.Balance < tx.Fee {
		return rejectPoor(&sender, tx)
	}
	return x.runSigned(tx, sender)
}

// DoorEpochs is the number of epochs, after the newest ordered one, in which a transaction must be valid for a door to take it:
// its batch may be sealed and ordered an epoch later, and be sealed once more.
const DoorEpochs = 2

// CheckValidity returns the Rejection of a transaction that a door, by whose ordering the epoch is the newest, should not take
// because it may expire on its way.
func CheckValidity(tx *remora.Tx, ordered remora.Epoch) error {
	if until := tx.ValidUntil; until < ordered || until-ordered < DoorEpochs {
		return remora.Reject(remora.CodeExpired, "the transaction is valid until epoch %d, this is epoch %d: sign one that is valid until epoch %d or later",
			until, ordered, ordered+DoorEpochs)
	}
	return nil
}

// MayExecute reports whether a batch that is sealed in an epoch may hold a transaction: it has not expired there, and is no
// fault as far as its bytes tell. It is a pure function of its arguments.
func (m *Machine) MayExecute(raw []byte, sealing remora.Epoch) bool {
	tx, err := m.OpenTx(raw)
	return err == nil && (tx == nil || sealing <= tx.ValidUntil)
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
	machine  *Machine
	block    *delivery.Block
	tables   *table.Overlay
	verifier verdict.Verifier
	fees     remora.Amount // charged and not yet in the treasury
}

func (m *Machine) newExecution(o *table.Overlay, b *delivery.Block, v verdict.Verifier) *execution {
	return &execution{machine: m, block: b, tables: o, verifier: v}
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
		weight := remora.WeighTx(raw)
		if skip || weight > left {
			skip = true
			results = append(results, byte(remora.CodeSkipped))
			continue
		}
		left -= weight
		code, err := x.runForCode(raw, b.Epoch)
		if err != nil {
			return nil, err
		}
		skip = code.IsFault()
		results = append(results, byte(code))
	}
	return results, nil
}

// runForCode executes a transaction of a batch that was sealed in an epoch, and returns its result. The error is a failure to
// read the state.
func (x *execution) runForCode(raw []byte, sealed remora.Epoch) (remora.Code, error) {
	err := x.runTx(raw, sealed)
	if err == nil {
		return remora.CodeOK, nil
	}
	var r *remora.Rejection
	if errors.As(err, &r) {
		return r.Code, nil
	}
	return 0, err
}

// runTx executes a transaction. What whoever saw a signed transaction could repeat at the sender's cost, a used nonce above
// all, is refused before the signature and leaves the state as it was. A signature that is wrong is a fault; behind a right
// one the nonce is taken in any case, so that no copy ever reaches the signature again.
func (x *execution) runTx(raw []byte, sealed remora.Epoch) error {
	tx, err := x.machine.OpenTx(raw)
	if err != nil || tx == nil {
		return err
	}
	sender, err := x.checkSender(tx, remora.WeighTx(raw), sealed)
	if err != nil {
		return err
	}
	return x.runSigned(tx, sender)
}

// checkSender returns the sender's account if nonce, last epoch and fee of a transaction are good for a batch that was sealed in
// an epoch.
func (x *execution) checkSender(tx *remora.Tx, weight remora.Weight, sealed remora.Epoch) (ledger.Account, error) {
	if sealed > tx.ValidUntil {
		return ledger.Account{}, remora.Reject(remora.CodeExpired, "the transaction was valid until epoch %d, this is epoch %d: sign it again with a later one",
			tx.ValidUntil, sealed)
	}
	if least := x.block.Params.LeastFee(weight); tx.Fee < least {
		return ledger.Account{}, remora.Reject(remora.CodeFeeTooLow, "the fee is %s, a transaction of weight %d costs at least %s", tx.Fee, weight, least)
	}
	sender, exists, err := ledger.Get(x.tables, tx.From)
	switch {
	case err != nil:
		return sender, err
	case !exists:
		return sender, remora.Reject(remora.CodeUnknownAccount, "account %s does not exist: the first transfer to it creates it", tx.From)
	}
	return sender, sender.CheckNonce(tx.Nonce)
}

// runSigned executes a transaction whose sender has passed checkSender. After a Rejection by the rule of its kind, fee and nonce
// remain taken.
func (x *execution) runSigned(tx *remora.Tx, sender ledger.Account) error {
	if err := x.machine.checkSignature(tx, x.verifier); err != nil {
		return err
	}
	if err := x.chargeSender(tx, sender); err != nil {
		return err
	}
	x.tables.Checkpoint()
	if err := rules[tx.Kind](x, tx); err != nil {
		x.tables.Rollback()
		return err
	}
	return nil
}

// chargeSender takes the nonce and the fee from the sender's account. An account that cannot pay the fee loses what it has, or a
// transaction that nobody pays could be ordered without end.
func (x *execution) chargeSender(tx *remora.Tx, sender ledger.Account) error {
	charged := sender
	paid := min(tx.Fee, sender.Balance)
	charged.Balance -= paid
	charged.UseNonce(tx.Nonce)
	ledger.Put(x.tables, tx.From, charged)
	x.fees += paid // fits: fees come from balances, whose sum does
	if paid < tx.Fee {
		return rejectPoor(&sender, tx)
	}
	return nil
}

func rejectPoor(sender *ledger.Account, tx *remora.Tx) error {
	return remora.Reject(remora.CodeInsufficientBalance, "the account holds %s, the fee is %s", sender.Balance, tx.Fee)
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
