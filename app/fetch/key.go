package fetch

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
)

const sessionKeyTag = "remora/session-key/1"

// SessionKey derives the key that signs a session's receipts from the seed of its owner's account: HKDF-SHA-256 over the
// tag behind its length, the domain and the session's number, all numbers as 8 bytes, big endian. The seed gives the keys of
// all sessions.
func SessionKey(seed []byte, d remora.Domain, number uint64) (*bls.SecretKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("session key: %w: a seed of %d bytes, want %d", remora.ErrInvalid, len(seed), ed25519.SeedSize)
	}
	info := append(binary.BigEndian.AppendUint64(nil, uint64(len(sessionKeyTag))), sessionKeyTag...)
	info = append(info, d[:]...)
	info = binary.BigEndian.AppendUint64(info, number)
	secret, err := hkdf.Key(sha256.New, seed, nil, string(info), bls.SecretSize)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	defer clear(secret)
	return bls.DeriveKey(secret)
}
