package bls

import (
	"crypto/rand"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

// weightBits is the length of the random weights of a batch: a bad batch passes with probability 2^-127.
const weightBits = 128

// AggregateItem is one aggregate of a batch.
type AggregateItem struct {
	Ring      *Keyring
	Signers   []int // strictly increasing
	Message   []byte
	Signature remora.BLSSignature
}

// checkedItem is an item with checked points and the sum of its signers' keys.
type checkedItem struct {
	index   int
	key     *blst.P2Affine
	point   *blst.P1Affine
	message []byte
}

// VerifyAggregates checks many aggregates in one pairing equation with random weights, at half the cost of one by one.
// The result has one entry per item, nil if it verifies. When the equation fails, each item is checked alone, so that
// every verdict equals that of VerifyAggregate.
func VerifyAggregates(items []AggregateItem) []error {
	checked, errs, _ := checkItems(items)
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

// HoldTogether reports whether all aggregates verify, by one pairing equation.
func HoldTogether(items []AggregateItem) bool {
	checked, _, valid := checkItems(items)
	switch {
	case !valid:
		return false
	case len(checked) == 1:
		return verifyPoint(checked[0].key, checked[0].point, checked[0].message, signatureTag)
	}
	return len(checked) == 0 || verifyWeighted(checked)
}

// checkItems checks signers and points. It returns the items that pass, the errors of the others by item, and whether there
// are none.
func checkItems(items []AggregateItem) (checked []checkedItem, errs []error, valid bool) {
	errs = make([]error, len(items))
	checked = make([]checkedItem, 0, len(items))
	for i, it := range items {
		key, err := it.Ring.sumKeys(it.Signers)
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
	return checked, errs, len(checked) == len(items)
}

// verifyWeighted checks the sum of the items, each multiplied by a random weight. Items of the same signers cost one
// pairing together, because their hashed messages are added first.
func verifyWeighted(items []checkedItem) bool {
	weights := make([]byte, weightBits/8*len(items))
	_, _ = rand.Read(weights) // never returns an error: it crashes the process instead
	var signatures blst.P1
	var keys []*blst.P2Affine
	hashed := make(map[string]*blst.P1)
	for i, it := range items {
		weight := weightScalar(weights[weightBits/8*i:])
		var signature blst.P1
		signature.FromAffine(it.point)
		signatures.AddAssign(signature.MultAssign(weight, weightBits))
		name := string(it.key.Serialize())
		sum := hashed[name]
		if sum == nil {
			sum = new(blst.P1)
			hashed[name], keys = sum, append(keys, it.key)
		}
		sum.AddAssign(blst.HashToG1(it.message, []byte(signatureTag)).MultAssign(weight, weightBits))
	}
	ctx := blst.PairingCtx(true, nil)
	if !addPairing(ctx, minusOne, &signatures) {
		return false
	}
	for _, key := range keys {
		if !addPairing(ctx, key, hashed[string(key.Serialize())]) {
			return false
		}
	}
	product, one := blst.PairingAsFp12(ctx), blst.Fp12One()
	product.FinalExp()
	return product.Equals(&one)
}

// minusOne is the generator of the keys' group times minus one.
var minusOne = new(blst.P2).SubAssign(blst.P2Generator()).ToAffine()

// addPairing multiplies a product by a pairing. It refuses infinity, for which blst's loop is not defined.
func addPairing(ctx blst.Pairing, q *blst.P2Affine, p *blst.P1) bool {
	affine := p.ToAffine()
	if *affine == (blst.P1Affine{}) {
		return false
	}
	blst.PairingRawAggregate(ctx, q, affine)
	return true
}

// weightScalar makes an odd, hence non-zero, weight from the first 16 bytes.
func weightScalar(random []byte) *blst.Scalar {
	var le [blst.BLST_SCALAR_BYTES]byte
	copy(le[:weightBits/8], random)
	le[0] |= 1
	return new(blst.Scalar).FromLEndian(le[:])
}
