package ed25519

import (
	stdlib "crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"github.com/remora-network/remora"
)

// SeedSize is the length of a private key's seed in bytes.
const SeedSize = stdlib.SeedSize

// ErrSeed refuses a seed of the wrong length.
var ErrSeed = errors.New("ed25519: seed must have 32 bytes")

// PrivateKey signs. It is immutable, and prints as its public key.
type PrivateKey struct {
	key stdlib.PrivateKey
}

// GenerateKey makes a key from 32 bytes of r, which must be a secure random source.
func GenerateKey(r io.Reader) (*PrivateKey, error) {
	var seed [SeedSize]byte
	defer clear(seed[:])
	if _, err := io.ReadFull(r, seed[:]); err != nil {
		return nil, fmt.Errorf("ed25519: read randomness for a new key: %w", err)
	}
	return NewKeyFromSeed(seed[:])
}

// NewKeyFromSeed derives a key from a seed of SeedSize bytes (RFC 8032).
func NewKeyFromSeed(seed []byte) (*PrivateKey, error) {
	if len(seed) != SeedSize {
		return nil, fmt.Errorf("%w, got %d", ErrSeed, len(seed))
	}
	return &PrivateKey{key: stdlib.NewKeyFromSeed(seed)}, nil
}

// Seed returns the seed. The caller clears it after use.
func (k *PrivateKey) Seed() []byte { return k.key.Seed() }

// Public returns the public key, which is also the account's address.
func (k *PrivateKey) Public() remora.Address { return remora.Address(k.key[SeedSize:]) }

// Sign signs msg, which must name its own purpose.
func (k *PrivateKey) Sign(msg []byte) remora.Signature {
	return remora.Signature(stdlib.Sign(k.key, msg))
}

// Format keeps the secret out of logs for every verb.
func (k *PrivateKey) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "ed25519.PrivateKey(public %s)", k.Public())
}
