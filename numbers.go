package remora

import (
	"fmt"
	"math/bits"
	"strconv"
)

// Round numbers a layer of the DAG within a term; round 0 is genesis.
type Round uint64

// Height numbers blocks; height 0 is the genesis state.
type Height uint64

// Epoch numbers the accounting periods of the state machine.
type Epoch uint64

// Term numbers the spans in which one committee runs one DAG.
type Term uint64

// Millis is Unix time in milliseconds.
type Millis uint64

// Authority is a validator's position in its committee.
type Authority uint16

// Worker is a worker's position at its authority.
type Worker uint16

// Amount is a number of base units, of tokens or of stake. Text form: decimal digits.
type Amount uint64

// String returns the decimal digits.
func (a Amount) String() string { return strconv.FormatUint(uint64(a), 10) }

// MarshalText encodes the amount as decimal digits.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText decodes decimal digits without sign, spaces or leading zeros.
func (a *Amount) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || strconv.FormatUint(v, 10) != string(text) {
		return fmt.Errorf("%w: amount %.64q is not a decimal number of base units below 2^64", ErrInvalid, text)
	}
	*a = Amount(v)
	return nil
}

// Add returns a+b and whether it fits.
func (a Amount) Add(b Amount) (Amount, bool) {
	sum, carry := bits.Add64(uint64(a), uint64(b), 0)
	return Amount(sum), carry == 0
}

// Sub returns a-b and whether it is not negative.
func (a Amount) Sub(b Amount) (Amount, bool) {
	diff, borrow := bits.Sub64(uint64(a), uint64(b), 0)
	return Amount(diff), borrow == 0
}

// Mul returns a*b and whether it fits.
func (a Amount) Mul(b uint64) (Amount, bool) {
	hi, lo := bits.Mul64(uint64(a), b)
	return Amount(lo), hi == 0
}
