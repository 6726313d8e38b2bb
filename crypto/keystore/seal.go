package keystore

import (
	"crypto/rand"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/scrypt"
)

const (
	kdfName    = "scrypt"
	cipherName = "xchacha20poly1305"
	saltSize   = 32
)

// cost is the parameters of scrypt: it uses 128·N·R bytes of memory, and time in proportion to N·R·P.
type cost struct {
	N int `json:"n"`
	R int `json:"r"`
	P int `json:"p"`
}

var (
	// passwordCost takes 64 MiB and a few tenths of a second. OWASP recommends it (N = 2^16, r = 8, p = 2).
	passwordCost = cost{N: 1 << 16, R: 8, P: 2}
	// openCost takes no time. It is for files without a password, which only their permissions protect.
	openCost = cost{N: 2, R: 1, P: 1}
	// highestCost bounds the work that a file can ask of its reader: 256 MiB.
	highestCost = cost{N: 1 << 18, R: 8, P: 4}
)

func (c cost) checkBounds() error {
	if c.N < 2 || c.N > highestCost.N || c.N&(c.N-1) != 0 || c.R < 1 || c.R > highestCost.R || c.P < 1 || c.P > highestCost.P {
		return fmt.Errorf("%w: n=%d r=%d p=%d, want n a power of two up to %d, r up to %d, p up to %d",
			ErrCost, c.N, c.R, c.P, highestCost.N, highestCost.R, highestCost.P)
	}
	return nil
}

// sealed is an encrypted secret with all parameters that decryption needs besides the password.
type sealed struct {
	KDF string `json:"kdf"`
	cost
	Salt       []byte `json:"salt"`
	Cipher     string `json:"cipher"`
	Nonce      []byte `json:"nonce"`
	Ciphertext []byte `json:"ciphertext"`
}

// encryptSecret encrypts a secret and authenticates the data that is shown beside it.
func encryptSecret(secret, password, shown []byte, c cost) (sealed, error) {
	s := sealed{
		KDF: kdfName, cost: c, Salt: make([]byte, saltSize),
		Cipher: cipherName, Nonce: make([]byte, chacha20poly1305.NonceSizeX),
	}
	_, _ = rand.Read(s.Salt) // never fails
	_, _ = rand.Read(s.Nonce)
	key, err := s.deriveKey(password)
	if err != nil {
		return sealed{}, err
	}
	defer clear(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return sealed{}, err
	}
	s.Ciphertext = aead.Seal(nil, s.Nonce, secret, shown)
	return s, nil
}

// checkFormat checks all parameters before anything is derived from them. size is the length of the secret.
func (s sealed) checkFormat(size int) error {
	if s.KDF != kdfName || s.Cipher != cipherName {
		return fmt.Errorf("%w: %.32q with %.32q, this version knows %s with %s", ErrCorrupt, s.KDF, s.Cipher, kdfName, cipherName)
	}
	if len(s.Salt) != saltSize || len(s.Nonce) != chacha20poly1305.NonceSizeX ||
		len(s.Ciphertext) != size+chacha20poly1305.Overhead {
		return fmt.Errorf("%w: salt, nonce and ciphertext have %d, %d and %d bytes, want %d, %d and %d", ErrCorrupt,
			len(s.Salt), len(s.Nonce), len(s.Ciphertext), saltSize, chacha20poly1305.NonceSizeX, size+chacha20poly1305.Overhead)
	}
	return s.checkBounds()
}

// decryptSecret returns the secret of a checked s. The caller clears it.
func (s sealed) decryptSecret(password, shown []byte) ([]byte, error) {
	key, err := s.deriveKey(password)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	secret, err := aead.Open(nil, s.Nonce, s.Ciphertext, shown)
	if err != nil {
		return nil, ErrPassword
	}
	return secret, nil
}

func (s sealed) deriveKey(password []byte) ([]byte, error) {
	return scrypt.Key(password, s.Salt, s.N, s.R, s.P, chacha20poly1305.KeySize)
}
