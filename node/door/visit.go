package door

import (
	"context"
	"errors"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/mempool/admission"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/verdict"
)

// visit is one request on its way through the door.
type visit struct {
	door    *Door
	owner   string
	view    state.View
	epoch   remora.Epoch // the newest that is known to be ordered
	domain  remora.Domain
	txs     [][]byte
	answers []Answer
	request *admission.Request

	accounts   map[remora.Address]*ledger.Account // of the view; nil: there is none
	places     map[remora.Hash]int                // of the signed transactions that go on
	candidates []candidate
	proofs     []candidate     // with costly proofs, their signatures verified
	good       []int           // places of the transactions to hand on
	reserved   map[int]*ticket // places of those that wait here now
	copies     map[int]*ticket // places of those that wait here already
	repeated   map[int]int     // places of copies within the request, with that of the first
}

// candidate is a signed transaction that passed the checks that need no signature.
type candidate struct {
	place int
	tx    *remora.Tx
	entry admission.Tx
}

func newVisit(d *Door, owner string, view state.View, txs [][]byte) *visit {
	return &visit{
		door: d, owner: owner, domain: d.domain, view: view, txs: txs, answers: make([]Answer, len(txs)),
		request: admission.NewRequest(d.pending), accounts: map[remora.Address]*ledger.Account{},
		places: map[remora.Hash]int{}, reserved: map[int]*ticket{}, copies: map[int]*ticket{}, repeated: map[int]int{},
	}
}

// refuse answers the transaction at a place with a refusal, or returns err if it is none.
func (v *visit) refuse(place int, from remora.Address, err error) error {
	refusal, ok := asRefusal(err)
	if !ok {
		return err
	}
	v.answers[place].Refusal = refusal
	v.recordHit(refusal.Code, from)
	return nil
}

// asRefusal returns the refusal in an error of an admission or of the state machine.
func asRefusal(err error) (*admission.Refusal, bool) {
	var refusal *admission.Refusal
	var rejection *remora.Rejection
	switch {
	case errors.As(err, &refusal):
		return refusal, true
	case errors.As(err, &rejection):
		return &admission.Refusal{Code: rejection.Code.String(), Reason: rejection.Reason}, true
	}
	return nil, false
}

// sortTxs makes the checks that need no signature.
func (v *visit) sortTxs(ctx context.Context) error {
	epoch, err := registry.GetEpoch(v.view.Tables)
	if err != nil {
		return err
	}
	v.door.endExpired(epoch.Number)
	v.epoch = v.door.newestEpoch(epoch.Number)
	for place, raw := range v.txs {
		if place%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := v.sortTx(place, raw); err != nil {
			return err
		}
	}
	return nil
}

// sortTx makes a candidate of a transaction, or answers it.
func (v *visit) sortTx(place int, raw []byte) error {
	tx, err := v.door.Machine.OpenTx(raw)
	if err != nil {
		return v.refuse(place, remora.Address{}, err)
	}
	if tx == nil { // opaque: there is no more to check
		v.good = append(v.good, place)
		return nil
	}
	hash := remora.TxHash(raw)
	if first, known := v.places[hash]; known {
		v.repeated[place] = first
		v.recordMass(limitCopies, tx.From)
		return nil
	}
	waiting, refusal := v.door.findKnown(hash, v.view.Tip.Height)
	switch {
	case waiting != nil:
		v.copies[place] = waiting
		v.recordMass(limitCopies, tx.From)
		return nil
	case refusal != nil:
		return v.refuse(place, tx.From, refusal)
	}
	c := candidate{place, tx, describeTx(tx, raw, hash)}
	if err := v.checkAccount(&c); err != nil {
		return v.refuse(place, tx.From, err)
	}
	v.places[hash] = place
	v.candidates = append(v.candidates, c)
	return nil
}

// checkAccount judges a transaction by its last epoch and its sender's account, and reserves it in this request.
func (v *visit) checkAccount(c *candidate) error {
	if err := state.CheckValidity(c.tx, v.epoch); err != nil {
		return err
	}
	account, known := v.accounts[c.tx.From]
	if !known {
		found, exists, err := ledger.Get(v.view.Tables, c.tx.From)
		if err != nil {
			return err
		}
		if exists {
			account = &found
		}
		v.accounts[c.tx.From] = account
	}
	if err := v.door.checkSender(account, c, remora.WeighTx(v.txs[c.place])); err != nil {
		return err
	}
	d := v.door
	d.mu.Lock()
	defer d.mu.Unlock()
	return v.request.Reserve(c.entry, account.Balance)
}

// verifyAll verifies the candidates: signatures in groups, then costly proofs one by one.
func (v *visit) verifyAll(ctx context.Context) error {
	rest := v.candidates
	for len(rest) > 0 {
		n := min(len(rest), v.request.NextGroup(ed25519.GroupSize))
		if n == 0 {
			v.skipAll(rest, "the request holds too many bad signatures before this transaction")
			break
		}
		if err := v.inSlot(ctx, v.door.slots, func() error { return v.verifyGroup(rest[:n]) }); err != nil {
			return err
		}
		rest = rest[n:]
	}
	for i := range v.proofs {
		refused, err := v.verifyProofs(ctx, &v.proofs[i])
		if err != nil {
			return err
		}
		if refused {
			v.skipAll(v.proofs[i+1:], "a transaction with costly proofs before this one was refused")
			break
		}
	}
	return nil
}

// skipAll refuses transactions unchecked. They are no reason to remember anything.
func (v *visit) skipAll(list []candidate, reason string) {
	for i := range list {
		v.answers[list[i].place].Refusal = &admission.Refusal{Code: admission.CodeUnchecked, Reason: reason + ": send it again alone"}
	}
	if len(list) > 0 {
		v.recordHit(admission.CodeUnchecked, remora.Address{})
	}
}

// inSlot works in a slot of a turnstile.
func (v *visit) inSlot(ctx context.Context, t *turnstile, work func() error) error {
	err := t.enterSlot(ctx, v.owner)
	if errors.Is(err, errOverdrawn) {
		v.door.Hits.RecordHit("verifications of a client", v.owner)
		return ErrOverdrawn
	}
	if err != nil {
		return err
	}
	defer t.leaveSlot(v.owner)
	return work()
}

// verifyGroup verifies signatures together, and finishes the transactions without costly proofs.
func (v *visit) verifyGroup(group []candidate) error {
	items, messages := make([]ed25519.Item, len(group)), make([]remora.Hash, len(group))
	for i := range group {
		messages[i] = group[i].tx.Message(v.domain)
		items[i] = ed25519.Item{Public: group[i].tx.From, Message: messages[i][:], Signature: group[i].tx.Signature}
	}
	bad := 0
	for i, holds := range v.door.VerifySigned(items) {
		c := &group[i]
		switch {
		case !holds:
			bad++
			refusal := remora.Reject(remora.CodeBadSignature, "the signature over this transaction is not by %s", c.tx.From)
			if err := v.rememberRefusal(c, refusal); err != nil {
				return err
			}
		case isCostly(v.txs[c.place]):
			v.proofs = append(v.proofs, *c)
		default:
			if _, err := v.finishTx(c); err != nil {
				return err
			}
		}
	}
	v.request.CountVerdicts(len(group)-bad, bad)
	return nil
}

// signedBy is a verifier that knows one signature to hold.
type signedBy struct {
	verdict.Verifier
	known verdict.Signed
}

// Holds implements verdict.Verifier.
func (s signedBy) Holds(statement verdict.Statement) bool {
	return statement == verdict.Statement(s.known) || s.Verifier.Holds(statement)
}

// finishTx applies the rules to a transaction whose signature holds, and reserves what it needs. It reports whether it
// refused the transaction.
func (v *visit) finishTx(c *candidate) (refused bool, err error) {
	known := signedBy{v.door.Verifier, verdict.Signed{Public: c.tx.From, Message: c.tx.Message(v.domain), Signature: c.tx.Signature}}
	if err := v.door.Machine.Admit(v.view, v.txs[c.place], known); err != nil {
		return true, v.rememberRefusal(c, err)
	}
	t, err := v.door.reserveTx(v.request, c.entry, v.accounts[c.tx.From].Balance)
	if err != nil {
		return true, v.refuse(c.place, c.tx.From, err)
	}
	v.good = append(v.good, c.place)
	v.reserved[c.place] = t
	return false, nil
}

// verifyProofs finishes a transaction with costly proofs, one at a time for each account.
func (v *visit) verifyProofs(ctx context.Context, c *candidate) (refused bool, err error) {
	account := c.tx.From.String()
	err = v.door.proving.enterSlot(ctx, account)
	if errors.Is(err, errOverdrawn) {
		busy := &admission.Refusal{
			Code: admission.CodeAccountBusy, Reason: "other transactions of the account with costly proofs are being verified: retry later",
		}
		return true, v.refuse(c.place, c.tx.From, busy)
	}
	if err != nil {
		return false, err
	}
	defer v.door.proving.leaveSlot(account)
	err = v.inSlot(ctx, v.door.costly, func() error {
		refused, err = v.finishTx(c)
		return err
	})
	return refused, err
}

// rememberRefusal refuses a transaction, and again for a while without work when the same bytes come back.
func (v *visit) rememberRefusal(c *candidate, err error) error {
	refusal, ok := asRefusal(err)
	if !ok {
		return err
	}
	v.door.remember(c.entry.Hash, refused{refusal, v.view.Tip.Height + refusedBlocks})
	return v.refuse(c.place, c.tx.From, refusal)
}

// passOn hands the good transactions on, in the order of the request, and answers them.
func (v *visit) passOn(ctx context.Context) error {
	if len(v.good) == 0 {
		return nil
	}
	slices.Sort(v.good)
	txs := make([][]byte, len(v.good))
	for i, place := range v.good {
		txs[i] = v.txs[place]
	}
	answers, err := v.door.Pass(ctx, txs)
	if err != nil {
		v.giveUp(err)
		return err
	}
	for i, place := range v.good {
		v.answers[place] = answers[i]
		if t := v.reserved[place]; t != nil {
			v.door.answerTicket(t, answers[i], v.view.Tip.Height)
		}
	}
	return nil
}

// giveUp ends what this request reserved and did not hand on.
func (v *visit) giveUp(reason error) {
	for _, t := range v.reserved {
		v.door.answerTicket(t, Answer{Refusal: &admission.Refusal{Code: admission.CodeFull, Reason: reason.Error()}}, 0)
	}
}

// answerCopies answers the transactions that came before, in this request or in another one, like the first of them.
func (v *visit) answerCopies(ctx context.Context) error {
	for place, t := range v.copies {
		select {
		case <-t.done:
			v.answers[place] = t.answer
			v.answers[place].Waiting = t.answer.Refusal == nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for place, first := range v.repeated {
		v.answers[place] = v.answers[first]
		v.answers[place].Waiting = v.answers[first].Refusal == nil
	}
	return nil
}
