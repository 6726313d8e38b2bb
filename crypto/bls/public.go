package bls

import (
	"fmt"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

// PublicKey is a checked public key, kept as an affine point. It is immutable.
type PublicKey struct {
	point blst.P2Affine
}

// ParsePublicKey decodes and checks a key. It takes about 80 µs: parse once and keep the result.
func ParsePublicKey(raw remora.BLSPublicKey) (*PublicKey, error) {
	k := new(PublicKey)
	if k.point.Uncompress(raw[:]) == nil {
		return nil, fmt.Errorf("public key: %w", ErrEncoding)
	}
	if k.point == (blst.P2Affine{}) {
		return nil, fmt.Errorf("public key: %w", ErrInfinity)
	}
	if !k.point.InG2() {
		return nil, fmt.Errorf("public key: %w", ErrSubgroup)
	}
	return k, nil
}

// Bytes returns the key's encoding.
func (k *PublicKey) Bytes() (raw remora.BLSPublicKey) {
	copy(raw[:], k.point.Compress())
	return raw
}

// VerifyPossession checks that pop was made with the secret half of pk. A key must pass it to join a keyring.
func VerifyPossession(pk remora.BLSPublicKey, pop remora.BLSSignature) error {
	key, err := ParsePublicKey(pk)
	if err != nil {
		return err
	}
	point, err := parseSignature(pop)
	if err != nil {
		return fmt.Errorf("proof of possession: %w", err)
	}
	if !verifyPoint(&key.point, point, pk[:], possessionTag) {
		return ErrPossession
	}
	return nil
}
