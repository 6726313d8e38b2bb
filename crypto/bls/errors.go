package bls

import "errors"

var (
	// ErrEncoding refuses bytes that are not the canonical encoding of a point on the curve.
	ErrEncoding = errors.New("bls: not a canonical curve point")
	// ErrInfinity refuses the point at infinity, as a key, as a signature or as the sum of either.
	ErrInfinity = errors.New("bls: point at infinity")
	// ErrSubgroup refuses a point on the curve but outside the prime-order subgroup.
	ErrSubgroup = errors.New("bls: point outside the prime-order subgroup")
	// ErrScalar refuses a secret key that is zero, not below the group order, or not 32 bytes.
	ErrScalar = errors.New("bls: secret key is not a scalar between 1 and the group order")
	// ErrSeed refuses a seed that is too short to derive a key from.
	ErrSeed = errors.New("bls: seed must have at least 32 bytes")
	// ErrSignature refuses a signature that does not verify under the given keys and message.
	ErrSignature = errors.New("bls: signature does not verify")
	// ErrPossession refuses a proof of possession that does not verify under its key.
	ErrPossession = errors.New("bls: proof of possession does not verify")
	// ErrNoSigners refuses an aggregate without signers.
	ErrNoSigners = errors.New("bls: no signers")
	// ErrDuplicateSigner refuses a signer that is listed twice, because its stake would count twice.
	ErrDuplicateSigner = errors.New("bls: signer listed twice")
	// ErrSignerOrder refuses signers that are not in increasing order: a set of signers has one encoding.
	ErrSignerOrder = errors.New("bls: signers not in increasing order")
	// ErrUnknownSigner refuses a signer outside the keyring.
	ErrUnknownSigner = errors.New("bls: signer outside the keyring")
	// ErrPairs refuses a pairing product whose two sides differ in length or are empty.
	ErrPairs = errors.New("bls: pairing product needs equally many points of both groups, at least one")
)
