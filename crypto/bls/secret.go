package bls

import (
	"fmt"
	"io"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

// SecretSize is the length of an encoded secret key and of the shortest seed, in bytes.
const SecretSize = 32

// Domain separation tags of the proof-of-possession scheme (draft-irtf-cfrg-bls-signature, section 4.2.3). They are
// the tags for hashing to G1, where min-sig signatures live.
const (
	signatureTag  = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"
	possessionTag = "BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"
)

// SecretKey signs. It is immutable, and prints as its public key.
type SecretKey struct {
	scalar *blst.SecretKey
	public remora.BLSPublicKey
}

// GenerateKey makes a key from 32 bytes of r, which must be a secure random source.
func GenerateKey(r io.Reader) (*SecretKey, error) {
	var seed [SecretSize]byte
	defer clear(seed[:])
	if _, err := io.ReadFull(r, seed[:]); err != nil {
		return nil, fmt.Errorf("bls: read randomness for a new key: %w", err)
	}
	return DeriveKey(seed[:])
}

// DeriveKey derives a key from a secret seed of at least 32 bytes (KeyGen of draft-irtf-cfrg-bls-signature).
func DeriveKey(seed []byte) (*SecretKey, error) {
	if len(seed) < SecretSize {
		return nil, fmt.Errorf("%w, got %d", ErrSeed, len(seed))
	}
	return newSecretKey(blst.KeyGen(seed)), nil
}

// SecretKeyFromBytes decodes a big-endian scalar of 32 bytes.
func SecretKeyFromBytes(b []byte) (*SecretKey, error) {
	scalar := new(blst.SecretKey).Deserialize(b)
	if scalar == nil || !scalar.Valid() {
		return nil, ErrScalar
	}
	return newSecretKey(scalar), nil
}

func newSecretKey(scalar *blst.SecretKey) *SecretKey {
	k := &SecretKey{scalar: scalar}
	copy(k.public[:], new(blst.P2Affine).From(scalar).Compress())
	return k
}

// Bytes returns the secret scalar, big-endian. The caller clears it after use.
func (k *SecretKey) Bytes() []byte { return k.scalar.Serialize() }

// Public returns the key's public half.
func (k *SecretKey) Public() remora.BLSPublicKey { return k.public }

// Sign signs msg, which must name its own purpose: all kinds of messages share one tag.
func (k *SecretKey) Sign(msg []byte) remora.BLSSignature { return k.signTagged(msg, signatureTag) }

// ProvePossession signs the key's own public half under a tag that no message uses.
func (k *SecretKey) ProvePossession() remora.BLSSignature {
	return k.signTagged(k.public[:], possessionTag)
}

// Format keeps the secret out of logs for every verb.
func (k *SecretKey) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "bls.SecretKey(public %s)", k.public)
}

func (k *SecretKey) signTagged(msg []byte, tag string) (sig remora.BLSSignature) {
	copy(sig[:], new(blst.P1Affine).Sign(k.scalar, msg, []byte(tag)).Compress())
	return sig
}
