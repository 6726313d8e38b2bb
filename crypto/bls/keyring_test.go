package bls

import (
	"errors"
	"math/bits"
	"testing"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

// Every subset of five, so that both adding the present and subtracting the missing are used.
func TestVerifyAggregateEverySubset(t *testing.T) {
	const n = 5
	c := newCommittee(t, n)
	msg := []byte("certificate")
	for mask := uint(1); mask < 1<<n; mask++ {
		var signers, others []int
		for i := range n {
			if mask>>i&1 == 1 {
				signers = append(signers, i)
				continue
			}
			others = append(others, i)
		}
		sig := c.aggregate(t, msg, signers...)
		if err := c.ring.VerifyAggregate(signers, msg, sig); err != nil {
			t.Errorf("signers %v: %v", signers, err)
		}
		if bits.OnesCount(mask) == n {
			continue
		}
		if err := c.ring.VerifyAggregate(others, msg, sig); !errors.Is(err, ErrSignature) {
			t.Errorf("signers %v claimed to be %v: got %v", signers, others, err)
		}
	}
}

func TestVerifyAggregateRefuses(t *testing.T) {
	c := newCommittee(t, 4)
	msg := []byte("certificate")
	sig := c.aggregate(t, msg, 0, 1, 2)
	one := c.secret[0].Sign(msg)
	twice, err := Aggregate([]remora.BLSSignature{one, one})
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name    string
		signers []int
		sig     remora.BLSSignature
		want    error
	}{
		{"nobody", nil, sig, ErrNoSigners},
		{"nobody, infinity", []int{}, remora.BLSSignature{0xc0}, ErrNoSigners},
		{"one missing", []int{0, 1}, sig, ErrSignature},
		{"one too many", []int{0, 1, 2, 3}, sig, ErrSignature},
		{"another set", []int{0, 1, 3}, sig, ErrSignature},
		{"signer twice", []int{0, 0}, twice, ErrDuplicateSigner},
		{"out of order", []int{1, 0, 2}, sig, ErrSignerOrder},
		{"negative", []int{-1, 0}, sig, ErrUnknownSigner},
		{"past the end", []int{0, 4}, sig, ErrUnknownSigner},
		{"infinity", []int{0, 1, 2}, remora.BLSSignature{0xc0}, ErrInfinity},
		{"outside the subgroup", []int{0, 1, 2}, outsideG1(t), ErrSubgroup},
		{"garbage", []int{0, 1, 2}, remora.BLSSignature{0xff}, ErrEncoding},
	}
	for _, tc := range cases {
		if err := c.ring.VerifyAggregate(tc.signers, msg, tc.sig); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, err, tc.want)
		}
	}
	if err := NewKeyring(nil).VerifyAggregate([]int{0}, msg, one); !errors.Is(err, ErrUnknownSigner) {
		t.Errorf("empty ring: %v", err)
	}
	if err := c.ring.Verify(3, msg, c.secret[3].Sign(msg)); err != nil || c.ring.Len() != 4 {
		t.Errorf("single signer: %v", err)
	}
}

// One owner may register k and minus k, both with proofs. Their sum must not become a key that everything matches.
func TestKeysThatCancelOut(t *testing.T) {
	c := newCommittee(t, 1)
	var negative blst.P2
	negative.SubAssign(&c.public[0].point)
	var raw remora.BLSPublicKey
	copy(raw[:], negative.ToAffine().Compress())
	ring := NewKeyring([]*PublicKey{c.public[0], mustParse(t, raw)})
	msg := []byte("m")
	sig := c.secret[0].Sign(msg)
	if err := ring.VerifyAggregate([]int{0, 1}, msg, sig); !errors.Is(err, ErrInfinity) {
		t.Errorf("got %v, want ErrInfinity", err)
	}
	negated := sig
	negated[0] ^= 0x20
	got, signers, bad, err := AggregateVerified(ring, []Vote{{0, sig}, {1, negated}}, msg)
	if !errors.Is(err, ErrSignature) || got != (remora.BLSSignature{}) || signers != nil || bad != nil {
		t.Errorf("votes that cancel out: got %v %v %v %v", got, signers, bad, err)
	}
}
