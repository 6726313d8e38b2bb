package bls

import (
	"errors"
	"fmt"
	"testing"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

func makeItems(tb testing.TB, c committee, n int) []AggregateItem {
	tb.Helper()
	items := make([]AggregateItem, n)
	for i := range items {
		msg := fmt.Appendf(nil, "certificate %d", i)
		items[i] = AggregateItem{c.ring, []int{0, 1, 3}, msg, c.aggregate(tb, msg, 0, 1, 3)}
	}
	return items
}

// Sizes around blst's inner group of eight pairs.
func TestVerifyAggregatesAcceptsGood(t *testing.T) {
	c := newCommittee(t, 4)
	for _, n := range []int{0, 1, 2, 7, 8, 9, 17} {
		errs := VerifyAggregates(makeItems(t, c, n))
		if len(errs) != n {
			t.Fatalf("%d items: %d verdicts", n, len(errs))
		}
		for i, err := range errs {
			if err != nil {
				t.Errorf("item %d of %d: %v", i, n, err)
			}
		}
	}
}

func TestVerifyAggregatesNamesTheBad(t *testing.T) {
	c := newCommittee(t, 4)
	items := makeItems(t, c, 8)
	items[1].Signature = items[2].Signature
	items[2].Message = []byte("another")
	items[3].Signers = []int{0, 0, 1}
	items[4].Signature = remora.BLSSignature{0xc0}
	items[5].Signature = outsideG1(t)
	items[6].Signers = nil
	want := []error{nil, ErrSignature, ErrSignature, ErrDuplicateSigner, ErrInfinity, ErrSubgroup, ErrNoSigners, nil}
	for i, err := range VerifyAggregates(items) {
		if !errors.Is(err, want[i]) {
			t.Errorf("item %d: got %v, want %v", i, err, want[i])
		}
		single := c.ring.VerifyAggregate(items[i].Signers, items[i].Message, items[i].Signature)
		if !errors.Is(single, want[i]) {
			t.Errorf("item %d alone: got %v, want %v", i, single, want[i])
		}
	}
}

// Two signatures that are each wrong by the same amount in opposite directions pass an unweighted sum.
func TestVerifyAggregatesRefusesErrorsThatCancelOut(t *testing.T) {
	c := newCommittee(t, 4)
	items := makeItems(t, c, 2)
	shift, err := parseSignature(c.secret[2].Sign([]byte("shift")))
	if err != nil {
		t.Fatal(err)
	}
	items[0].Signature = shifted(t, items[0].Signature, func(p *blst.P1) { p.AddAssign(shift) })
	items[1].Signature = shifted(t, items[1].Signature, func(p *blst.P1) { p.SubAssign(shift) })
	for i, err := range VerifyAggregates(items) {
		if !errors.Is(err, ErrSignature) {
			t.Errorf("item %d: got %v, want ErrSignature", i, err)
		}
	}
}

func shifted(tb testing.TB, sig remora.BLSSignature, shift func(*blst.P1)) remora.BLSSignature {
	tb.Helper()
	point, err := decodeSignature(sig)
	if err != nil {
		tb.Fatal(err)
	}
	var acc blst.P1
	shift(acc.AddAssign(point))
	out, err := compressSum(acc.ToAffine())
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func TestWeightsAreNeverZero(t *testing.T) {
	if w := weightScalar(make([]byte, 16)); w.Equals(new(blst.Scalar)) {
		t.Error("sixteen zero bytes make a zero weight")
	}
}

// Items of the same signers share a pairing: a message of one set does not count for another.
func TestVerifyAggregatesTellsSignersApart(t *testing.T) {
	c := newCommittee(t, 4)
	var items []AggregateItem
	for i, signers := range [][]int{{0, 1, 2}, {1, 2, 3}, {0, 1, 2}, {0, 1, 2, 3}, {1, 2, 3}} {
		msg := fmt.Appendf(nil, "certificate %d", i)
		items = append(items, AggregateItem{c.ring, signers, msg, c.aggregate(t, msg, signers...)})
	}
	for i, err := range VerifyAggregates(items) {
		if err != nil {
			t.Errorf("item %d: %v", i, err)
		}
	}
	items[0].Signers, items[1].Signers = items[1].Signers, items[0].Signers
	for i, err := range VerifyAggregates(items) {
		if bad := i < 2; errors.Is(err, ErrSignature) != bad {
			t.Errorf("signers of the first two are exchanged: item %d: %v", i, err)
		}
	}
}
