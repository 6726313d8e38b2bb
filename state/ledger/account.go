// Package ledger keeps the coins of the state: accounts with balances and nonces, stakes, the treasury, and the supply, which
// is the sum of all of them and of the coins in records of other packages.
//
// The rules of other packages move coins with Take, Give, Collect and Burn. CheckChanges verifies after each block that no
// coin appeared or vanished; CheckSupply verifies a whole state.
package ledger

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// nonceWindow is the number of nonces that an account may use, from the lowest unused one upwards. A DAG may order a later batch
// first: nonces of one account that were sent in order can be executed out of order.
const nonceWindow = 64

// maxRecord bounds an encoded record of this package.
const maxRecord = 128

// Account is the record of an account. It is created at genesis or by the first credit, and never deleted.
type Account struct {
	_       struct{} `cbor:",toarray"`
	Balance remora.Amount
	Base    uint64 // lowest unused nonce
	Used    uint64 // bit i: nonce Base+i is used; bit 0 is never set
}

// Nonce returns the lowest unused nonce: the one to use next.
func (a *Account) Nonce() uint64 { return a.Base }

// HasUsed reports whether a nonce was used.
func (a *Account) HasUsed(nonce uint64) bool {
	return nonce < a.Base || nonce-a.Base < nonceWindow && a.Used>>(nonce-a.Base)&1 == 1
}

// CheckNonce returns a Rejection when nonce was used already or is too far above the lowest unused one.
func (a *Account) CheckNonce(nonce uint64) error {
	switch {
	case a.HasUsed(nonce):
		return remora.Reject(remora.CodeNonceUsed, "nonce %d was used before; the lowest unused one is %d", nonce, a.Base)
	case nonce-a.Base >= nonceWindow:
		return remora.Reject(remora.CodeNonceTooFar, "nonce %d is %d or more above the lowest unused one, %d: use that first",
			nonce, nonceWindow, a.Base)
	case nonce == math.MaxUint64: // Base cannot pass it
		return remora.Reject(remora.CodeNonceTooFar, "nonce %d is reserved", nonce)
	}
	return nil
}

// UseNonce marks a nonce that CheckNonce accepts as used, and moves the window past the used nonces at its start.
func (a *Account) UseNonce(nonce uint64) {
	a.Used |= 1 << (nonce - a.Base)
	used := bits.TrailingZeros64(^a.Used)
	a.Base += uint64(used)
	a.Used >>= used
}

// DecodeAccount decodes a record, from a table or from a proof.
func DecodeAccount(b []byte) (Account, error) {
	var a Account
	if err := remora.Decode(b, maxRecord, &a); err != nil {
		return Account{}, fmt.Errorf("account record: %w", err)
	}
	if a.Used&1 == 1 {
		return Account{}, fmt.Errorf("account record: %w: nonce %d is both unused and used", remora.ErrMalformed, a.Base)
	}
	return a, nil
}

// Get returns the account of an address and whether there is one.
func Get(v table.View, address remora.Address) (account Account, exists bool, err error) {
	b, err := v.Get(table.Accounts, address[:])
	if err != nil || b == nil {
		return Account{}, false, err
	}
	if account, err = DecodeAccount(b); err != nil {
		return Account{}, false, fmt.Errorf("%w: account %s: %w", remora.ErrCorrupt, address, err)
	}
	return account, true, nil
}

// Put writes the record of an account.
func Put(o *table.Overlay, address remora.Address, a Account) {
	o.Put(table.Accounts, address[:], remora.Encode(a))
}
