package keystore

import (
	"fmt"
	"io"

	"github.com/remora-network/remora"
)

// Kind is the set of keys that a file holds.
type Kind string

const (
	// KindAccount is the key of an account.
	KindAccount Kind = "account"
	// KindNode is all keys of a node: a validator, cache or gateway.
	KindNode Kind = "node"
)

// SecretSize is the length of a secret in bytes.
const SecretSize = 32

// Secret is an Ed25519 seed or a BLS scalar. It never prints.
type Secret [SecretSize]byte

// Format implements fmt.Formatter. It keeps the secret out of logs for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secret") }

// MarshalText always fails: secrets are stored in key files only.
func (s Secret) MarshalText() ([]byte, error) {
	return nil, fmt.Errorf("a secret has no text form; save it in a key file")
}

// Keys is the content of a key file: the account's key for KindAccount, all keys for KindNode.
type Keys struct {
	Kind   Kind
	Secret Secrets
	Public Public
}

// Secrets are the secret halves. A key is zero exactly if the kind does not have it.
type Secrets struct {
	Account Secret // Ed25519: pays, and signs transactions
	Header  Secret // Ed25519: signs headers and gossip
	Network Secret // Ed25519: the peer's identity on the wire
	BLS     Secret // scalar: signs votes, block certificates and receipts
	Beacon  Secret // scalar: signs contributions to the beacon
}

// Public is the public halves, zero where Secrets is. The caller of Save derives them; Load authenticates them but does not
// derive them again.
type Public struct {
	Account remora.Address      `json:"account"`
	Header  remora.Address      `json:"header,omitzero"`
	Network remora.Address      `json:"network,omitzero"`
	BLS     remora.BLSPublicKey `json:"bls,omitzero"`
	Beacon  remora.BLSPublicKey `json:"beacon,omitzero"`
}

// countSecrets returns the number of secrets of the kind, zero if the kind is unknown.
func (k Kind) countSecrets() int {
	switch k {
	case KindAccount:
		return 1
	case KindNode:
		return 5
	default:
		return 0
	}
}

// checkComplete checks that exactly the keys of the kind are present, both halves of each.
func (k *Keys) checkComplete() error {
	n := k.Kind.countSecrets()
	if n == 0 {
		return fmt.Errorf("%w: unknown kind %.32q, want %q or %q", ErrKeys, string(k.Kind), KindAccount, KindNode)
	}
	public := k.Public.presentKeys()
	for i, s := range k.Secret.allSecrets() {
		if wanted := i < n; wanted != (*s != Secret{}) || wanted != public[i] {
			return fmt.Errorf("%w: the %s key of kind %q is missing, or should not be there", ErrKeys, names[i], string(k.Kind))
		}
	}
	return nil
}

// names are the names of the keys, in the order of the fields.
var names = [...]string{"account", "header", "network", "bls", "beacon"}

// allSecrets returns pointers to the secrets, in the order of the fields.
func (s *Secrets) allSecrets() []*Secret {
	return []*Secret{&s.Account, &s.Header, &s.Network, &s.BLS, &s.Beacon}
}

// presentKeys reports for each field whether it is set.
func (p Public) presentKeys() []bool {
	return []bool{
		p.Account != remora.Address{}, p.Header != remora.Address{}, p.Network != remora.Address{},
		p.BLS != remora.BLSPublicKey{}, p.Beacon != remora.BLSPublicKey{},
	}
}

// joinSecrets concatenates the secrets of a kind. The caller clears the result.
func (s *Secrets) joinSecrets(kind Kind) []byte {
	b := make([]byte, 0, kind.countSecrets()*SecretSize)
	for _, secret := range s.allSecrets()[:kind.countSecrets()] {
		b = append(b, secret[:]...)
	}
	return b
}

// splitSecrets is the inverse of joinSecrets. b has the length of the kind.
func (s *Secrets) splitSecrets(kind Kind, b []byte) {
	for i, secret := range s.allSecrets()[:kind.countSecrets()] {
		copy(secret[:], b[i*SecretSize:])
	}
}
