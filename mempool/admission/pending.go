// Package admission holds what a node remembers of the transactions that it admitted and that no block has executed yet, and
// judges by it whether one more may come in.
//
// Judged by the state alone, any number of copies of one transaction, of transactions with one nonce, or of transactions
// that share the balance for one fee, would each be good: they would be ordered and stored by everybody and one fee paid. So
// a [Pending] reserves, for each account, the nonces and the coins of what waits here. Only what this node admitted itself
// and still holds is in it: if hashes that were seen elsewhere counted, anybody could bury somebody's transaction in a batch
// that is never proposed.
//
// A [Request] is the transactions that one client sends together, before their signatures are verified: they are reserved
// against each other and against what waits, but no other request sees them, so that nobody reserves a nonce of somebody
// else's account.
package admission

import (
	"bytes"
	"slices"

	"github.com/remora-network/remora"
)

// Codes of refusals that only an admission makes: no block has one as a result.
const (
	CodeWaiting        = "TX_WAITING"         // the same transaction waits here: no fault, it is answered like the first
	CodeNoncePending   = "TX_NONCE_PENDING"   // another transaction that waits here has this nonce
	CodeBalancePending = "TX_BALANCE_PENDING" // transactions that wait here reserve the balance
	CodeAccountFull    = "TX_ACCOUNT_FULL"    // the account has as much waiting here as it may
	CodeFull           = "SERVER_BUSY"        // all accounts together have
	CodeUnchecked      = "TX_UNCHECKED"       // the request held too much that was refused before it
	CodeAccountBusy    = "TX_ACCOUNT_BUSY"    // a transaction of the account with costly proofs is being verified
)

// Refusal says why a node does not admit a transaction.
type Refusal struct {
	Code   string // one of this package, or the name of a remora.Code
	Reason string
}

// Error returns code and reason.
func (r *Refusal) Error() string { return r.Code + ": " + r.Reason }

// Refusals that are made once.
var (
	errWaiting     = &Refusal{CodeWaiting, "this transaction waits here already"}
	errNonce       = &Refusal{CodeNoncePending, "another transaction with this nonce waits here: use the next one, or wait for its execution"}
	errBalance     = &Refusal{CodeBalancePending, "the balance is needed for transactions that wait here: wait for their execution"}
	errAccountFull = &Refusal{CodeAccountFull, "the account has as many transactions waiting here as it may: wait for their execution"}
	errFull        = &Refusal{CodeFull, "too many transactions wait here: retry later"}
)

// Tx is what admission knows of a transaction.
type Tx struct {
	Hash  remora.Hash
	From  remora.Address
	Nonce uint64
	Cost  remora.Amount // the most that it takes from its sender
	Bytes int
	Until remora.Epoch // the last epoch in which a block may accept it
}

// Limits bound what waits.
type Limits struct {
	AccountTxs, AccountBytes int // of one account
	Txs, Bytes               int // of all
}

// DefaultLimits fit the batches that a validator may have waiting (worker.Config.MaxPending). An account may have as many
// transactions as the state machine has nonces for it.
func DefaultLimits() Limits {
	return Limits{AccountTxs: 64, AccountBytes: 1 << 20, Txs: 1 << 17, Bytes: 16 << 20}
}

// Pending holds the transactions that wait, by account. It is not safe for concurrent use.
type Pending struct {
	limits   Limits
	holders  map[remora.Hash]remora.Address // whose it is
	accounts map[remora.Address]*account
	bytes    int
}

// account holds the transactions of one account, ascending by nonce.
type account struct {
	txs   []Tx
	bytes int
}

// NewPending returns a Pending in which nothing waits.
func NewPending(l Limits) *Pending {
	return &Pending{limits: l, holders: map[remora.Hash]remora.Address{}, accounts: map[remora.Address]*account{}}
}

// Count returns the number of transactions that wait.
func (p *Pending) Count() int { return len(p.holders) }

// Holds reports whether a transaction waits.
func (p *Pending) Holds(hash remora.Hash) bool {
	_, held := p.holders[hash]
	return held
}

// Reserve takes a transaction in, whose sender holds a balance. The error is a *Refusal, and nothing is changed.
func (p *Pending) Reserve(tx Tx, balance remora.Amount) error {
	if err := p.checkTx(&tx, balance, &account{}); err != nil {
		return err
	}
	p.addTx(tx)
	return nil
}

// Restore takes in a transaction that this node admitted in an earlier run. Neither limits nor balances refuse it: it is in a
// batch that will be offered again. One whose hash or nonce waits already is left out.
func (p *Pending) Restore(tx Tx) {
	if a := p.accounts[tx.From]; p.Holds(tx.Hash) || a != nil && a.hasNonce(tx.Nonce) {
		return
	}
	p.addTx(tx)
}

// checkTx judges a transaction against what waits here and in others, the same account's transactions elsewhere.
func (p *Pending) checkTx(tx *Tx, balance remora.Amount, others *account) error {
	if p.Holds(tx.Hash) {
		return errWaiting
	}
	a := p.accounts[tx.From]
	if a == nil {
		a = &account{}
	}
	switch {
	case a.hasNonce(tx.Nonce), others.hasNonce(tx.Nonce):
		return errNonce
	case len(a.txs)+len(others.txs) >= p.limits.AccountTxs, a.bytes+others.bytes+tx.Bytes > p.limits.AccountBytes:
		return errAccountFull
	case len(p.holders) >= p.limits.Txs, p.bytes+tx.Bytes > p.limits.Bytes:
		return errFull
	case !a.leaves(balance, others, tx.Cost):
		return errBalance
	}
	return nil
}

func (a *account) find(nonce uint64) (place int, found bool) {
	return slices.BinarySearchFunc(a.txs, nonce, func(tx Tx, nonce uint64) int {
		switch {
		case tx.Nonce < nonce:
			return -1
		case tx.Nonce > nonce:
			return 1
		}
		return 0
	})
}

func (a *account) hasNonce(nonce uint64) bool {
	_, found := a.find(nonce)
	return found
}

// leaves reports whether a balance pays for the account's transactions here, in others, and for one more.
func (a *account) leaves(balance remora.Amount, others *account, cost remora.Amount) bool {
	rest, enough := balance.Sub(cost)
	for _, list := range [][]Tx{a.txs, others.txs} {
		for i := 0; i < len(list) && enough; i++ {
			rest, enough = rest.Sub(list[i].Cost)
		}
	}
	return enough
}

func (p *Pending) addTx(tx Tx) {
	a := p.accounts[tx.From]
	if a == nil {
		a = &account{}
		p.accounts[tx.From] = a
	}
	place, _ := a.find(tx.Nonce)
	a.txs = slices.Insert(a.txs, place, tx)
	a.bytes += tx.Bytes
	p.bytes += tx.Bytes
	p.holders[tx.Hash] = tx.From
}

// Release ends a transaction: it was executed, or this node gave it up. It reports whether it waited.
func (p *Pending) Release(hash remora.Hash) bool {
	from, held := p.holders[hash]
	if !held {
		return false
	}
	a := p.accounts[from]
	place := slices.IndexFunc(a.txs, func(tx Tx) bool { return tx.Hash == hash })
	size := a.txs[place].Bytes
	a.txs = slices.Delete(a.txs, place, place+1)
	a.bytes -= size
	p.bytes -= size
	delete(p.holders, hash)
	if len(a.txs) == 0 {
		delete(p.accounts, from)
	}
	return true
}

// ReleaseExpired ends the transactions that were valid until an epoch before epoch, and returns their hashes in ascending
// order.
func (p *Pending) ReleaseExpired(epoch remora.Epoch) []remora.Hash {
	var expired []remora.Hash
	//remora:unordered the hashes are sorted below
	for _, a := range p.accounts {
		for _, tx := range a.txs {
			if tx.Until < epoch {
				expired = append(expired, tx.Hash)
			}
		}
	}
	slices.SortFunc(expired, func(a, b remora.Hash) int { return bytes.Compare(a[:], b[:]) })
	for _, hash := range expired {
		p.Release(hash)
	}
	return expired
}
