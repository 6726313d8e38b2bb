package bls

import (
	"fmt"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

// Verify checks one signature of one key.
func Verify(pk *PublicKey, msg []byte, sig remora.BLSSignature) error {
	return verifySignature(&pk.point, msg, sig)
}

// verifySignature checks a signature of a key, or of the sum of several.
func verifySignature(key *blst.P2Affine, msg []byte, sig remora.BLSSignature) error {
	point, err := parseSignature(sig)
	if err != nil {
		return err
	}
	if !verifyPoint(key, point, msg, signatureTag) {
		return ErrSignature
	}
	return nil
}

// Aggregate sums signatures. It checks each as a point but verifies none.
func Aggregate(sigs []remora.BLSSignature) (remora.BLSSignature, error) {
	if len(sigs) == 0 {
		return remora.BLSSignature{}, ErrNoSigners
	}
	var sum blst.P1
	for i, sig := range sigs {
		point, err := parseSignature(sig)
		if err != nil {
			return remora.BLSSignature{}, fmt.Errorf("signature %d of %d: %w", i+1, len(sigs), err)
		}
		sum.AddAssign(point)
	}
	return compressSum(sum.ToAffine())
}

// compressSum encodes a sum of signatures, which is infinity when its terms cancel out.
func compressSum(point *blst.P1Affine) (sig remora.BLSSignature, err error) {
	if *point == (blst.P1Affine{}) {
		return sig, fmt.Errorf("aggregate signature: %w", ErrInfinity)
	}
	copy(sig[:], point.Compress())
	return sig, nil
}

// parseSignature decodes and checks a signature.
func parseSignature(sig remora.BLSSignature) (*blst.P1Affine, error) {
	point, err := decodeSignature(sig)
	if err != nil {
		return nil, err
	}
	if !point.InG1() {
		return nil, fmt.Errorf("signature: %w", ErrSubgroup)
	}
	return point, nil
}

// decodeSignature decodes a signature without the subgroup check, which is three quarters of the cost.
func decodeSignature(sig remora.BLSSignature) (*blst.P1Affine, error) {
	point := new(blst.P1Affine)
	if point.Uncompress(sig[:]) == nil {
		return nil, fmt.Errorf("signature: %w", ErrEncoding)
	}
	if *point == (blst.P1Affine{}) {
		return nil, fmt.Errorf("signature: %w", ErrInfinity)
	}
	return point, nil
}

// verifyPoint checks the pairing equation of a signature. The caller has checked the points.
func verifyPoint(pk *blst.P2Affine, sig *blst.P1Affine, msg []byte, tag string) bool {
	ctx := blst.PairingCtx(true, []byte(tag))
	if blst.PairingAggregatePkInG2(ctx, pk, false, sig, false, msg) != success {
		return false
	}
	blst.PairingCommit(ctx)
	return blst.PairingFinalVerify(ctx)
}

// success is BLST_SUCCESS, which the binding does not export.
const success = 0
