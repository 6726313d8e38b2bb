package keystore

import (
	"fmt"
	"io"

	"github.com/remora-network/remora"
)

// Kind says which keys a file holds.
type Kind string

const (
	// KindAccount is the key of an account alone.
	KindAccount Kind = "account"
	// KindNode is everything that a validator or another node signs with.
	KindNode Kind = "node"
)

// SecretSize is the length of every secret in bytes.
const SecretSize = 32

// Secret is an Ed25519 seed or a BLS scalar. It never prints.
type Secret [SecretSize]byte

// Format keeps the secret out of logs, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secret") }

// MarshalText refuses: secrets leave this package encrypted, or by the hand of who loaded them.
func (s Secret) MarshalText() ([]byte, error) {
	return nil, fmt.Errorf("a secret has no text form: save it in a key file")
}

// Keys is the content of a key file. KindAccount has the account's key only, KindNode has all.
type Keys struct {
	Kind   Kind
	Secret Secrets
	Public Public
}

// Secrets are the secret halves. What a kind does not have is zero, and what it has is not.
type Secrets struct {
	Account Secret // Ed25519: pays, and signs transactions
	Header  Secret // Ed25519: signs headers and gossip
	Network Secret // Ed25519: the peer's identity on the wire
	BLS     Secret // scalar: signs votes, block certificates and receipts
	Beacon  Secret // scalar: signs contributions to the beacon
}

// Public is the public halves of Secrets, zero where those are. Whoever saves keys derives them, and whoever loads keys
// finds them authenticated, but derives them again when parsing the secrets.
type Public struct {
	Account remora.Address      `json:"account"`
	Header  remora.Address      `json:"header,omitzero"`
	Network remora.Address      `json:"network,omitzero"`
	BLS     remora.BLSPublicKey `json:"bls,omitzero"`
	Beacon  remora.BLSPublicKey `json:"beacon,omitzero"`
}

// secrets is how many secrets a file of the kind holds, zero for an unknown kind.
func (k Kind) secrets() int {
	switch k {
	case KindAccount:
		return 1
	case KindNode:
		return 5
	default:
		return 0
	}
}

// check finds a key that is missing from its kind, or too many.
func (k *Keys) check() error {
	n := k.Kind.secrets()
	if n == 0 {
		return fmt.Errorf("%w: unknown kind %.32q, want %q or %q", ErrKeys, string(k.Kind), KindAccount, KindNode)
	}
	public := k.Public.present()
	for i, s := range k.Secret.list() {
		if wanted := i < n; wanted != (*s != Secret{}) || wanted != public[i] {
			return fmt.Errorf("%w: %s of kind %q is missing a half, or should not be there", ErrKeys, names[i], string(k.Kind))
		}
	}
	return nil
}

// names of the keys, in the order of the fields.
var names = [...]string{"account", "header", "network", "bls", "beacon"}

// list points to the secrets, in the order of the fields.
func (s *Secrets) list() []*Secret {
	return []*Secret{&s.Account, &s.Header, &s.Network, &s.BLS, &s.Beacon}
}

// present says which fields are set, in their order.
func (p Public) present() []bool {
	return []bool{
		p.Account != remora.Address{}, p.Header != remora.Address{}, p.Network != remora.Address{},
		p.BLS != remora.BLSPublicKey{}, p.Beacon != remora.BLSPublicKey{},
	}
}

// marshal concatenates the secrets of a kind. The caller clears the result.
func (s *Secrets) marshal(kind Kind) []byte {
	b := make([]byte, 0, kind.secrets()*SecretSize)
	for _, secret := range s.list()[:kind.secrets()] {
		b = append(b, secret[:]...)
	}
	return b
}

// unmarshal splits what marshal concatenated: b has the length that the kind asks for.
func (s *Secrets) unmarshal(kind Kind, b []byte) {
	for i, secret := range s.list()[:kind.secrets()] {
		copy(secret[:], b[i*SecretSize:])
	}
}
