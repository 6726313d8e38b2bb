package ed25519_test

import (
	stdlib "crypto/ed25519"
	"crypto/sha512"
	"slices"
	"testing"

	"filippo.io/edwards25519"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
)

// order8 encodes a point that generates the eight points of small order.
const order8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"

func torsionPoint(tb testing.TB) *edwards25519.Point {
	tb.Helper()
	p, err := new(edwards25519.Point).SetBytes(decode(tb, order8))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// smallOrder lists every encoding of the points of small order: eight canonical, six not. A coordinate y below 19 can
// also be written as y + p, and where x is zero its sign bit can be set.
func smallOrder(tb testing.TB) [][32]byte {
	tb.Helper()
	var all [][32]byte
	generator, p := torsionPoint(tb), edwards25519.NewIdentityPoint()
	for range 8 {
		canonical := [32]byte(p.Bytes())
		forms := [][32]byte{canonical}
		if large, ok := plusModulus(canonical); ok {
			forms = append(forms, large)
		}
		// Negation changes the sign of x only: what it leaves alone has x = 0.
		if p.Equal(new(edwards25519.Point).Negate(p)) == 1 {
			for _, f := range slices.Clone(forms) {
				f[31] |= 0x80
				forms = append(forms, f)
			}
		}
		all = append(all, forms...)
		p.Add(p, generator)
	}
	return all
}

// plusModulus adds 2^255-19 to a y coordinate below 19, keeping the sign bit of x.
func plusModulus(canonical [32]byte) ([32]byte, bool) {
	sign := canonical[31] & 0x80
	y := canonical
	y[31] &= 0x7f
	if y[0] >= 19 || slices.Max(y[1:]) != 0 {
		return y, false
	}
	large := [32]byte(slices.Repeat([]byte{0xff}, 32))
	large[0], large[31] = 0xed+y[0], 0x7f|sign
	return large, true
}

// The 196 vectors of ZIP-215: every encoding of small order as key and as R, s = 0.
func TestZIP215SmallOrder(t *testing.T) {
	encodings := smallOrder(t)
	if len(encodings) != 14 {
		t.Fatalf("%d encodings of small order, want 14", len(encodings))
	}
	msg := []byte("Zcash")
	var all []ed25519.Item
	disagreements := 0
	for _, a := range encodings {
		for _, r := range encodings {
			var sig remora.Signature
			copy(sig[:32], r[:])
			it := ed25519.Item{Public: a, Message: msg, Signature: sig}
			all = append(all, it)
			if !ed25519.Verify(it.Public, it.Message, it.Signature) {
				t.Errorf("key %x, R %x: refused alone", a, r)
			}
			if !ed25519.VerifyTogether([]ed25519.Item{it}) {
				t.Errorf("key %x, R %x: refused in a batch of one", a, r)
			}
			//remora:allow stdlib-ed25519 shows why the ban exists
			if !stdlib.Verify(a[:], msg, sig[:]) {
				disagreements++
			}
		}
	}
	if got := ed25519.VerifyAll(all); slices.Contains(got, false) {
		t.Error("refused together")
	}
	if disagreements == 0 || disagreements == len(all) {
		t.Errorf("the standard library refuses %d of %d, which proves no difference", disagreements, len(all))
	}
	t.Logf("the standard library refuses %d of %d", disagreements, len(all))
}

// A signer can shift its R or its key by a point of small order: a valid signature here, alone and in batches, where
// the standard library refuses it alone. One such transaction would part nodes that verify in different ways.
func TestMixedOrderAgrees(t *testing.T) {
	shift := torsionPoint(t)
	good := item(t, 1)
	for i := range 8 {
		shifted := mixedOrder(t, edwards25519.NewIdentityPoint(), shift, i)
		if !ed25519.Verify(shifted.Public, shifted.Message, shifted.Signature) {
			t.Errorf("R shifted, message %d: refused alone", i)
		}
		//remora:allow stdlib-ed25519 shows why the ban exists
		if stdlib.Verify(shifted.Public[:], shifted.Message, shifted.Signature[:]) {
			t.Errorf("R shifted, message %d: the standard library accepts", i)
		}
		key := mixedOrder(t, shift, edwards25519.NewIdentityPoint(), i)
		if !ed25519.Verify(key.Public, key.Message, key.Signature) {
			t.Errorf("key shifted, message %d: refused alone", i)
		}
		if got := ed25519.VerifyAll([]ed25519.Item{good, shifted, key}); slices.Contains(got, false) {
			t.Errorf("message %d: in a batch got %v", i, got)
		}
	}
}

// mixedOrder signs message n with a key and an R that carry components of small order.
func mixedOrder(tb testing.TB, keyShift, nonceShift *edwards25519.Point, n int) ed25519.Item {
	tb.Helper()
	secret, nonce := scalar(tb, "secret"), scalar(tb, "nonce")
	public := new(edwards25519.Point).ScalarBaseMult(secret)
	commitment := new(edwards25519.Point).ScalarBaseMult(nonce)
	it := ed25519.Item{
		Public:  remora.Address(public.Add(public, keyShift).Bytes()),
		Message: []byte{byte(n)},
	}
	copy(it.Signature[:32], commitment.Add(commitment, nonceShift).Bytes())
	challenge := scalar(tb, string(it.Signature[:32])+string(it.Public[:])+string(it.Message))
	s := new(edwards25519.Scalar).MultiplyAdd(challenge, secret, nonce)
	copy(it.Signature[32:], s.Bytes())
	return it
}

func scalar(tb testing.TB, preimage string) *edwards25519.Scalar {
	tb.Helper()
	digest := sha512.Sum512([]byte(preimage))
	s, err := new(edwards25519.Scalar).SetUniformBytes(digest[:])
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
