package bls

import (
	"crypto/rand"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

// weightBits is the length of the random weights of a batch: a bad item passes with probability 2^-127.
const weightBits = 128

// AggregateItem is one aggregate of a batch.
type AggregateItem struct {
	Ring      *Keyring
	Signers   []int // strictly increasing
	Message   []byte
	Signature remora.BLSSignature
}

// checkedItem is an item whose points are checked and whose signers are summed.
type checkedItem struct {
	index   int
	key     *blst.P2Affine
	point   *blst.P1Affine
	message []byte
}

// VerifyAggregates checks many aggregates in one pairing equation with random weights, at half the cost of one by one.
// The result has one entry per item, nil where it verifies. When the equation fails, each item is checked alone to
// name the bad ones, so a verdict is the one VerifyAggregate gives.
func VerifyAggregates(items []AggregateItem) []error {
	errs := make([]error, len(items))
	checked := make([]checkedItem, 0, len(items))
	for i, it := range items {
		key, err := it.Ring.sum(it.Signers)
		if err != nil {
			errs[i] = err
			continue
		}
		point, err := parseSignature(it.Signature)
		if err != nil {
			errs[i] = err
			continue
		}
		checked = append(checked, checkedItem{index: i, key: key, point: point, message: it.Message})
	}
	if len(checked) > 1 && verifyWeighted(checked) {
		return errs
	}
	for _, c := range checked {
		if !verifyPoint(c.key, c.point, c.message, signatureTag) {
			errs[c.index] = ErrSignature
		}
	}
	return errs
}

func verifyWeighted(items []checkedItem) bool {
	ctx := blst.PairingCtx(true, []byte(signatureTag))
	weights := make([]byte, weightBits/8*len(items))
	_, _ = rand.Read(weights) // never fails: it ends the process instead
	for i, it := range items {
		weight := scalarOf(weights[weightBits/8*i:])
		r := blst.PairingMulNAggregatePkInG2(ctx, it.key, false, it.point, false, weight, weightBits, it.message)
		if r != success {
			return false
		}
	}
	blst.PairingCommit(ctx)
	return blst.PairingFinalVerify(ctx)
}

// scalarOf makes an odd, hence non-zero, weight of the first 16 bytes.
func scalarOf(random []byte) *blst.Scalar {
	var le [blst.BLST_SCALAR_BYTES]byte
	copy(le[:weightBits/8], random)
	le[0] |= 1
	return new(blst.Scalar).FromLEndian(le[:])
}
