package remora

import (
	"encoding/hex"
	"fmt"

	"github.com/zeebo/blake3"
)

// HashSize is the length of a Hash in bytes.
const HashSize = 32

// Hash is a 32-byte digest: BLAKE3 for objects of the DAG and for content, SHA-256 inside the state tree.
type Hash [HashSize]byte

// String returns the hash as lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h is the zero hash, which no object has.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText encodes the hash as lower-case hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText decodes 64 lower-case hexadecimal digits.
func (h *Hash) UnmarshalText(text []byte) error { return decodeHex(h[:], text, "hash") }

// ParseHash decodes 64 lower-case hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	err := h.UnmarshalText([]byte(s))
	return h, err
}

// SumBLAKE3 returns the BLAKE3 digest of b.
func SumBLAKE3(b []byte) Hash { return blake3.Sum256(b) }

// decodeHex fills dst from lower-case hexadecimal text of exactly the right length.
func decodeHex(dst, text []byte, what string) error {
	if len(text) != 2*len(dst) {
		return fmt.Errorf("%s: want %d hexadecimal digits, got %d characters", what, 2*len(dst), len(text))
	}
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("%s: character %q is not a lower-case hexadecimal digit", what, c)
		}
	}
	_, err := hex.Decode(dst, text)
	return err
}
