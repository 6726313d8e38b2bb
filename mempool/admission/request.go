package admission

import "github.com/remora-network/remora"

// MaxBad is the number of bad signatures, or refused costly transactions, after which the rest of a request is not looked at.
const MaxBad = 8

// Request is the transactions that one client sends together. It is not safe for concurrent use.
type Request struct {
	pending *Pending
	own     *Pending
	good    int // signatures that were verified and hold
	bad     int // those that do not
}

// NewRequest returns a request to a node at which p waits.
func NewRequest(p *Pending) *Request { return &Request{pending: p, own: NewPending(p.limits)} }

// Reserve judges a transaction whose signature is not verified yet by what waits, and by the transactions of this request
// before it. The error is a *Refusal.
func (r *Request) Reserve(tx Tx, balance remora.Amount) error {
	mine := r.own.accounts[tx.From]
	if mine == nil {
		mine = &account{}
	}
	if r.own.Holds(tx.Hash) {
		return errWaiting
	}
	if err := r.pending.checkTx(&tx, balance, mine); err != nil {
		return err
	}
	r.own.addTx(tx)
	return nil
}

// Confirm moves a transaction, whose signature holds, to those that wait. Another request may have been faster: then it
// is refused, with a *Refusal.
func (r *Request) Confirm(tx Tx, balance remora.Amount) error {
	r.own.Release(tx.Hash)
	return r.pending.Reserve(tx, balance)
}

// NextGroup returns how many signatures to verify next, at most limit: few until some hold, so that a request of bad ones
// costs MaxBad verifications and a request of good ones large groups. 0: too many were bad.
func (r *Request) NextGroup(limit int) int {
	if r.bad > 0 {
		return min(limit, MaxBad-r.bad)
	}
	return min(limit, max(MaxBad, r.good))
}

// CountVerdicts counts the verdicts of a group.
func (r *Request) CountVerdicts(good, bad int) {
	r.good += good
	r.bad = min(MaxBad, r.bad+bad)
}
