package bls

import (
	"fmt"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

// Keyring holds a committee's keys in order, with their sum. It is immutable: build one per committee and share it.
type Keyring struct {
	keys  []blst.P2Affine
	total blst.P2
}

// NewKeyring builds a keyring. The position of a key is its signer index. The registry ensures that the possession of
// every key was proven and that no key occurs twice.
func NewKeyring(keys []*PublicKey) *Keyring {
	r := &Keyring{keys: make([]blst.P2Affine, len(keys))}
	for i, k := range keys {
		r.keys[i] = k.point
		r.total.AddAssign(&k.point)
	}
	return r
}

// Len returns the number of keys.
func (r *Keyring) Len() int { return len(r.keys) }

// Verify checks the signature of one signer.
func (r *Keyring) Verify(signer int, msg []byte, sig remora.BLSSignature) error {
	return r.VerifyAggregate([]int{signer}, msg, sig)
}

// VerifyAggregate checks an aggregate over msg by exactly the given signers, in strictly increasing order.
func (r *Keyring) VerifyAggregate(signers []int, msg []byte, sig remora.BLSSignature) error {
	key, err := r.sumKeys(signers)
	if err != nil {
		return err
	}
	return verifySignature(key, msg, sig)
}

// sumKeys adds the keys of the signers, or subtracts the others from the total if they are fewer.
func (r *Keyring) sumKeys(signers []int) (*blst.P2Affine, error) {
	if err := r.checkSigners(signers); err != nil {
		return nil, err
	}
	if len(signers) == 1 {
		return &r.keys[signers[0]], nil
	}
	var key *blst.P2Affine
	if 2*len(signers) > len(r.keys) {
		key = r.withoutMissing(signers)
	} else {
		var acc blst.P2
		for _, s := range signers {
			acc.AddAssign(&r.keys[s])
		}
		key = acc.ToAffine()
	}
	if *key == (blst.P2Affine{}) {
		return nil, fmt.Errorf("sum of %d keys: %w", len(signers), ErrInfinity)
	}
	return key, nil
}

func (r *Keyring) withoutMissing(signers []int) *blst.P2Affine {
	acc := r.total
	next := 0
	for i := range r.keys {
		if next < len(signers) && signers[next] == i {
			next++
			continue
		}
		acc.SubAssign(&r.keys[i])
	}
	return acc.ToAffine()
}

func (r *Keyring) checkSigners(signers []int) error {
	if len(signers) == 0 {
		return ErrNoSigners
	}
	for i, s := range signers {
		if s < 0 || s >= len(r.keys) {
			return fmt.Errorf("%w: index %d of %d keys", ErrUnknownSigner, s, len(r.keys))
		}
		if i == 0 || s > signers[i-1] {
			continue
		}
		if s == signers[i-1] {
			return fmt.Errorf("%w: index %d", ErrDuplicateSigner, s)
		}
		return fmt.Errorf("%w: %d after %d", ErrSignerOrder, s, signers[i-1])
	}
	return nil
}
