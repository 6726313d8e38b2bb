package home

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/node/p2p"
)

// NewKeys generates the keys of an account or a node.
func NewKeys(kind keystore.Kind) (*keystore.Keys, error) {
	k := &keystore.Keys{Kind: kind}
	account, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate an account key: %w", err)
	}
	k.Secret.Account, k.Public.Account = keystore.Secret(account.Seed()), account.Public()
	if kind == keystore.KindAccount {
		return k, nil
	}
	header, headerErr := ed25519.GenerateKey(rand.Reader)
	network, networkErr := ed25519.GenerateKey(rand.Reader)
	consensus, consensusErr := bls.GenerateKey(rand.Reader)
	beacon, beaconErr := bls.GenerateKey(rand.Reader)
	if err := errors.Join(headerErr, networkErr, consensusErr, beaconErr); err != nil {
		return nil, fmt.Errorf("generate the keys of a node: %w", err)
	}
	k.Secret.Header, k.Public.Header = keystore.Secret(header.Seed()), header.Public()
	k.Secret.Network, k.Public.Network = keystore.Secret(network.Seed()), network.Public()
	k.Secret.BLS, k.Public.BLS = keystore.Secret(consensus.Bytes()), consensus.Public()
	k.Secret.Beacon, k.Public.Beacon = keystore.Secret(beacon.Bytes()), beacon.Public()
	return k, nil
}

// AccountOf returns the account key of a node's keys.
func AccountOf(k *keystore.Keys) *keystore.Keys {
	account := &keystore.Keys{Kind: keystore.KindAccount}
	account.Secret.Account, account.Public.Account = k.Secret.Account, k.Public.Account
	return account
}

// Signers are a node's keys, ready to sign.
type Signers struct {
	Account   *ed25519.PrivateKey
	Consensus *bls.SecretKey
	Beacon    *bls.SecretKey
	Header    *ed25519.PrivateKey
	Network   [32]byte // Ed25519 seed of the peer's identity
}

// Parse prepares a node's keys for signing and checks that they match their public halves.
func Parse(k *keystore.Keys) (*Signers, error) {
	if k.Kind != keystore.KindNode {
		return nil, fmt.Errorf("%w: this is an account's key, a node needs a key file of kind %q", keystore.ErrKeys, keystore.KindNode)
	}
	account, err := Account(k)
	if err != nil {
		return nil, err
	}
	header, err := ed25519.NewKeyFromSeed(k.Secret.Header[:])
	if err != nil {
		return nil, fmt.Errorf("header key: %w", err)
	}
	consensus, err := bls.SecretKeyFromBytes(k.Secret.BLS[:])
	if err != nil {
		return nil, fmt.Errorf("consensus key: %w", err)
	}
	beacon, err := bls.SecretKeyFromBytes(k.Secret.Beacon[:])
	if err != nil {
		return nil, fmt.Errorf("beacon key: %w", err)
	}
	if header.Public() != k.Public.Header || consensus.Public() != k.Public.BLS || beacon.Public() != k.Public.Beacon {
		return nil, fmt.Errorf("%w: a public key does not belong to its secret", keystore.ErrKeys)
	}
	return &Signers{Account: account, Header: header, Consensus: consensus, Beacon: beacon, Network: k.Secret.Network}, nil
}

// Account prepares the account's key, which keys of both kinds have.
func Account(k *keystore.Keys) (*ed25519.PrivateKey, error) {
	key, err := ed25519.NewKeyFromSeed(k.Secret.Account[:])
	if err != nil {
		return nil, fmt.Errorf("account key: %w", err)
	}
	if key.Public() != k.Public.Account {
		return nil, fmt.Errorf("%w: the account's public key does not belong to its secret", keystore.ErrKeys)
	}
	return key, nil
}

// OpenAccount opens the account's key in a key file without password.
func OpenAccount(path string) (*ed25519.PrivateKey, error) {
	keys, err := keystore.Load(path, nil)
	if err != nil {
		return nil, err
	}
	return Account(keys)
}

// Record returns the node's entry for a genesis or a registration: its public keys, with proofs of possession.
func Record(k *keystore.Keys, name string, roles remora.Roles, addrs []string) (remora.Node, error) {
	s, err := Parse(k)
	if err != nil {
		return remora.Node{}, err
	}
	id, err := p2p.SeedPeerID(s.Network)
	if err != nil {
		return remora.Node{}, err
	}
	n := remora.Node{
		Name: name, Roles: roles, Header: k.Public.Header, PeerID: id, Addrs: addrs,
		Consensus: k.Public.BLS, Possession: s.Consensus.ProvePossession(),
		Beacon: k.Public.Beacon, BeaconPoP: s.Beacon.ProvePossession(),
	}
	return n, n.Check()
}
