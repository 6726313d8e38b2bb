package remora

import "encoding/hex"

// Sizes of keys and signatures in bytes.
const (
	AddressSize      = 32
	SignatureSize    = 64
	BLSPublicSize    = 96
	BLSSignatureSize = 48
)

// Address names an account by its Ed25519 public key (RFC 8032 encoding, verified by ZIP-215 rules).
type Address [AddressSize]byte

// Signature is an Ed25519 signature, R then S.
type Signature [SignatureSize]byte

// BLSPublicKey is a compressed BLS12-381 G2 point (min-sig). Package crypto/bls checks its subgroup when it decodes one.
type BLSPublicKey [BLSPublicSize]byte

// BLSSignature is a compressed BLS12-381 G1 point: one signature or an aggregate.
type BLSSignature [BLSSignatureSize]byte

// String returns the address as lower-case hexadecimal.
func (a Address) String() string { return hex.EncodeToString(a[:]) }

// MarshalText encodes the address as lower-case hexadecimal.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText decodes 64 lower-case hexadecimal digits.
func (a *Address) UnmarshalText(text []byte) error { return decodeHex(a[:], text, "address") }

// ParseAddress decodes 64 lower-case hexadecimal digits.
func ParseAddress(s string) (Address, error) {
	var a Address
	err := a.UnmarshalText([]byte(s))
	return a, err
}

// MarshalText encodes the signature as lower-case hexadecimal.
func (s Signature) MarshalText() ([]byte, error) { return encodeHex(s[:]), nil }

// UnmarshalText decodes lower-case hexadecimal of exactly the signature's length.
func (s *Signature) UnmarshalText(text []byte) error { return decodeHex(s[:], text, "signature") }

// MarshalText encodes the key as lower-case hexadecimal.
func (k BLSPublicKey) MarshalText() ([]byte, error) { return encodeHex(k[:]), nil }

// UnmarshalText decodes lower-case hexadecimal of exactly the key's length.
func (k *BLSPublicKey) UnmarshalText(text []byte) error {
	return decodeHex(k[:], text, "BLS public key")
}

// String returns the key as lower-case hexadecimal.
func (k BLSPublicKey) String() string { return hex.EncodeToString(k[:]) }

// MarshalText encodes the signature as lower-case hexadecimal.
func (s BLSSignature) MarshalText() ([]byte, error) { return encodeHex(s[:]), nil }

// UnmarshalText decodes lower-case hexadecimal of exactly the signature's length.
func (s *BLSSignature) UnmarshalText(text []byte) error {
	return decodeHex(s[:], text, "BLS signature")
}

func encodeHex(b []byte) []byte { return []byte(hex.EncodeToString(b)) }
