package ledger

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/remora-network/remora"
)

// nonces is the rule under test: whether a nonce is accepted, and using it.
type nonces interface {
	CheckNonce(nonce uint64) error
	UseNonce(nonce uint64)
}

// compareWithSet tries every sequence of the nonces up to a length, and returns the first in which the rule differs
// from a set of all used nonces.
func compareWithSet(start func() nonces, base uint64, candidates []uint64, length int) error {
	var visit func(sequence []uint64) error
	visit = func(sequence []uint64) error {
		if len(sequence) == length {
			return runSequence(start(), base, sequence)
		}
		for _, n := range candidates {
			if err := visit(append(sequence, n)); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(make([]uint64, 0, length))
}

func runSequence(rule nonces, base uint64, sequence []uint64) error {
	used, lowest := make(map[uint64]bool), base
	for _, n := range sequence {
		want := remora.CodeOK
		switch {
		case n < base || used[n]:
			want = remora.CodeNonceUsed
		case n-lowest >= 64 || n == math.MaxUint64:
			want = remora.CodeNonceTooFar
		}
		if got := codeOf(rule.CheckNonce(n)); got != want {
			return fmt.Errorf("%d of %d is %s, want %s", n, sequence, got, want)
		}
		if want != remora.CodeOK {
			continue
		}
		rule.UseNonce(n)
		used[n] = true
		for used[lowest] {
			lowest++
		}
	}
	if a, ok := rule.(*Account); ok && (a.Nonce() != lowest || a.Used&1 == 1) {
		return fmt.Errorf("next nonce %d (window %b) after %d, want %d", a.Nonce(), a.Used, sequence, lowest)
	}
	return nil
}

func codeOf(err error) remora.Code {
	var r *remora.Rejection
	if errors.As(err, &r) {
		return r.Code
	}
	return remora.CodeOK
}

var candidates = []uint64{0, 1, 2, 3, 62, 63, 64, 65, 1 << 63}

// TestNonceWindow compares the window with a set, over all sequences of five nonces from its two ends.
func TestNonceWindow(t *testing.T) {
	if err := compareWithSet(func() nonces { return new(Account) }, 0, candidates, 5); err != nil {
		t.Error(err)
	}
}

// TestNonceWindowAtTheEnd does so where the nonces end: the window must not wrap around to used nonces.
func TestNonceWindowAtTheEnd(t *testing.T) {
	const base = math.MaxUint64 - 3
	last := []uint64{0, base - 1, base, base + 1, base + 2, base + 3}
	if err := compareWithSet(func() nonces { return &Account{Base: base} }, base, last, 5); err != nil {
		t.Error(err)
	}
}

// TestFullWindow uses 64 nonces from the highest down: the window fills and then slides over all of them.
func TestFullWindow(t *testing.T) {
	var sequence []uint64
	for n := range uint64(64) {
		sequence = append(sequence, 63-n)
	}
	sequence = append(sequence, 64, 127, 128, 0)
	if err := runSequence(new(Account), 0, sequence); err != nil {
		t.Error(err)
	}
}

// Variants of the rule with one mistake each. The comparison above is worth something only if it notices them.
type (
	strict    struct{ Account } // accepts the lowest unused nonce only
	wide      struct{ Account } // window one too long: the shift drops the highest bit
	forgetful struct{ Account } // slides by one at a time
)

func (a *strict) CheckNonce(n uint64) error {
	if n > a.Base {
		return remora.Reject(remora.CodeNonceTooFar, "not next")
	}
	return a.Account.CheckNonce(n)
}

func (a *wide) CheckNonce(n uint64) error {
	if n == a.Base+nonceWindow {
		return nil
	}
	return a.Account.CheckNonce(n)
}

func (a *forgetful) UseNonce(n uint64) {
	a.Used |= 1 << (n - a.Base)
	if a.Used&1 == 1 {
		a.Base++
		a.Used >>= 1
	}
}

func TestBrokenWindowsAreNoticed(t *testing.T) {
	for name, start := range map[string]func() nonces{
		"strict":    func() nonces { return new(strict) },
		"wide":      func() nonces { return new(wide) },
		"forgetful": func() nonces { return new(forgetful) },
	} {
		if compareWithSet(start, 0, candidates, 3) == nil {
			t.Errorf("no sequence tells the %s window from a set", name)
		}
	}
}

// TestDecodeAccountRefuses what no account is encoded as; a proof may hold anything.
func TestDecodeAccountRefuses(t *testing.T) {
	valid := remora.Encode(Account{Balance: 7, Base: 3, Used: 6})
	if a, err := DecodeAccount(valid); err != nil || a != (Account{Balance: 7, Base: 3, Used: 6}) {
		t.Fatalf("%+v, %v", a, err)
	}
	for name, b := range map[string][]byte{
		"nothing":                nil,
		"cut off":                valid[:3],
		"trailing byte":          append(valid, 0),
		"next nonce marked used": remora.Encode(Account{Used: 5}),
		"long spelling":          {0x83, 0x18, 1, 0, 0},
		"a longer list":          {0x84, 0, 0, 0, 0},
	} {
		if a, err := DecodeAccount(b); err == nil {
			t.Errorf("%s decodes to %+v", name, a)
		}
	}
}

// FuzzDecodeAccount checks that a record has one spelling and that what decodes can be used without a panic.
func FuzzDecodeAccount(f *testing.F) {
	f.Add(remora.Encode(Account{Balance: 7, Base: 3, Used: 6}))
	f.Add(remora.Encode(Account{Balance: math.MaxUint64, Base: math.MaxUint64}))
	f.Add(remora.Encode(Account{Used: 1}))
	f.Add([]byte{0x83, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := DecodeAccount(b)
		if err != nil {
			return
		}
		if again := remora.Encode(a); string(again) != string(b) {
			t.Fatalf("%x decodes to %+v, which is encoded as %x", b, a, again)
		}
		for _, n := range []uint64{a.Base, a.Base + 1, a.Base + 63} {
			if a.CheckNonce(n) == nil {
				a.UseNonce(n)
			}
		}
		if a.Used&1 == 1 {
			t.Fatalf("window %b of %x starts with a used nonce", a.Used, b)
		}
	})
}
