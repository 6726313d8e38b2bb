package bls

import (
	"fmt"

	blst "github.com/supranational/blst/bindings/go"
)

// G1Size and G2Size are the lengths in bytes of uncompressed points of the two groups, coordinates big-endian.
const (
	G1Size = 96
	G2Size = 192
)

// PairingProductIsOne checks e(p[0], q[0]) · … · e(p[n-1], q[n-1]) = 1, the final equation of proof systems over this
// curve. It decodes every point and checks its subgroup. Infinity is allowed: it is a valid part of a proof.
func PairingProductIsOne(p [][G1Size]byte, q [][G2Size]byte) (bool, error) {
	if len(p) == 0 || len(p) != len(q) {
		return false, fmt.Errorf("%w: got %d and %d", ErrPairs, len(p), len(q))
	}
	ctx := blst.PairingCtx(true, nil)
	pending := false
	for i := range p {
		p1, q2 := new(blst.P1Affine), new(blst.P2Affine)
		if p1.Deserialize(p[i][:]) == nil || q2.Deserialize(q[i][:]) == nil {
			return false, fmt.Errorf("pair %d: %w", i, ErrEncoding)
		}
		if !p1.InG1() || !q2.InG2() {
			return false, fmt.Errorf("pair %d: %w", i, ErrSubgroup)
		}
		// A pair with infinity contributes the factor 1, but blst's loop is not defined for it.
		if *p1 == (blst.P1Affine{}) || *q2 == (blst.P2Affine{}) {
			continue
		}
		blst.PairingRawAggregate(ctx, q2, p1)
		pending = true
	}
	if !pending {
		return true, nil
	}
	product := blst.PairingAsFp12(ctx)
	product.FinalExp()
	one := blst.Fp12One()
	return product.Equals(&one), nil
}
