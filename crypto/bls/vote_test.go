package bls

import (
	"errors"
	"slices"
	"testing"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

func TestAggregateVerifiedAnyOrder(t *testing.T) {
	c := newCommittee(t, 4)
	msg := []byte("header")
	sig, signers, bad, err := AggregateVerified(c.ring, c.votes(msg, 3, 0, 2), msg)
	if err != nil || bad != nil || !slices.Equal(signers, []int{0, 2, 3}) {
		t.Fatalf("got signers %v, bad %v, %v", signers, bad, err)
	}
	if sig != c.aggregate(t, msg, 0, 2, 3) {
		t.Error("the aggregate depends on the order of the votes")
	}
	if err := c.ring.VerifyAggregate(signers, msg, sig); err != nil {
		t.Error(err)
	}
}

func TestAggregateVerifiedNamesTheBadVoter(t *testing.T) {
	c := newCommittee(t, 7)
	msg := []byte("header")
	good := c.votes(msg, 0, 1, 2, 3)
	worst := []struct {
		name string
		sig  remora.BLSSignature
	}{
		{"another message", c.secret[5].Sign([]byte("other"))},
		{"another's signature", good[0].Signature},
		{"infinity", remora.BLSSignature{0xc0}},
		{"outside the subgroup", outsideG1(t)},
		{"garbage", remora.BLSSignature{9}},
	}
	for _, w := range worst {
		votes := append([]Vote{{5, w.sig}}, good...)
		sig, signers, bad, err := AggregateVerified(c.ring, votes, msg)
		if err != nil || !slices.Equal(signers, []int{0, 1, 2, 3}) || !slices.Equal(bad, []int{5}) {
			t.Errorf("%s: got signers %v, bad %v, %v", w.name, signers, bad, err)
			continue
		}
		if sig != c.aggregate(t, msg, 0, 1, 2, 3) {
			t.Errorf("%s: the bad vote is in the aggregate", w.name)
		}
	}
}

// The bad are found in two steps, by encoding and by verification; the list is sorted all the same.
func TestAggregateVerifiedSortsTheBad(t *testing.T) {
	c := newCommittee(t, 4)
	msg := []byte("header")
	votes := c.votes(msg, 0, 1, 2, 3)
	votes[3].Signature = remora.BLSSignature{0xc0}
	votes[1].Signature = votes[0].Signature
	if _, signers, bad, err := AggregateVerified(c.ring, votes, msg); err != nil ||
		!slices.Equal(signers, []int{0, 2}) || !slices.Equal(bad, []int{1, 3}) {
		t.Errorf("got signers %v, bad %v, %v", signers, bad, err)
	}
}

func TestAggregateVerifiedWithoutAnAggregate(t *testing.T) {
	c := newCommittee(t, 4)
	msg := []byte("header")
	twice := append(c.votes(msg, 0, 1), c.votes(msg, 0)...)
	cases := []struct {
		name  string
		votes []Vote
		bad   []int
		want  error
	}{
		{"no votes", nil, nil, ErrNoSigners},
		{"signer twice", twice, nil, ErrDuplicateSigner},
		{"unknown signer", []Vote{{4, c.secret[0].Sign(msg)}}, nil, ErrUnknownSigner},
		{"all bad", c.votes([]byte("other"), 2, 1), []int{1, 2}, ErrSignature},
		{"all garbage", []Vote{{0, remora.BLSSignature{}}}, []int{0}, ErrSignature},
	}
	for _, tc := range cases {
		sig, signers, bad, err := AggregateVerified(c.ring, tc.votes, msg)
		if !errors.Is(err, tc.want) || sig != (remora.BLSSignature{}) || signers != nil || !slices.Equal(bad, tc.bad) {
			t.Errorf("%s: got signers %v, bad %v, %v; want bad %v, %v", tc.name, signers, bad, err, tc.bad, tc.want)
		}
	}
}

// Unchecked points are summed before the sum's subgroup is checked: what is added outside the subgroup must show in the
// sum unless it cancels out, and then the aggregate is exactly the good one. The pairing alone would not see it.
func TestAggregateVerifiedPointsOutsideTheSubgroup(t *testing.T) {
	c := newCommittee(t, 4)
	msg := []byte("header")
	cofactor := cofactorPoint(t)
	votes := c.votes(msg, 0, 1, 2)
	votes[0].Signature = shifted(t, votes[0].Signature, func(p *blst.P1) { p.AddAssign(cofactor) })
	point, err := decodeSignature(votes[0].Signature)
	if err != nil || !verifyPoint(&c.public[0].point, point, msg, signatureTag) {
		t.Fatalf("the pairing should not notice: %v", err)
	}
	if _, signers, bad, err := AggregateVerified(c.ring, votes, msg); err != nil ||
		!slices.Equal(signers, []int{1, 2}) || !slices.Equal(bad, []int{0}) {
		t.Errorf("one shifted vote: got signers %v, bad %v, %v", signers, bad, err)
	}
	votes[2].Signature = shifted(t, votes[2].Signature, func(p *blst.P1) { p.SubAssign(cofactor) })
	if sig, _, _, err := AggregateVerified(c.ring, votes, msg); err != nil || sig != c.aggregate(t, msg, 0, 1, 2) {
		t.Errorf("shifts that cancel out: %v", err)
	}
}

// cofactorPoint is a point without any component in the subgroup: one outside it, times the group order. blst's own
// multiplication is only right inside the subgroup.
func cofactorPoint(tb testing.TB) *blst.P1Affine {
	tb.Helper()
	point, err := decodeSignature(outsideG1(tb))
	if err != nil {
		tb.Fatal(err)
	}
	var acc blst.P1
	for _, b := range unhex(tb, order) {
		for bit := 7; bit >= 0; bit-- {
			double := acc
			acc.AddAssign(&double)
			if b>>bit&1 == 1 {
				acc.AddAssign(point)
			}
		}
	}
	return acc.ToAffine()
}
