package p2p

import (
	"crypto/ed25519"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/crypto/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

// PeerID returns the peer id of an Ed25519 public key.
func PeerID(public [32]byte) (string, error) {
	key, err := crypto.UnmarshalEd25519PublicKey(public[:])
	if err != nil {
		return "", fmt.Errorf("peer id: %w", err)
	}
	id, err := peer.IDFromPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("peer id: %w", err)
	}
	return id.String(), nil
}

// SeedPeerID returns the peer id of a host with this Ed25519 seed.
func SeedPeerID(seed [32]byte) (string, error) {
	return PeerID([32]byte(ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)))
}

func privateKey(seed [32]byte) (crypto.PrivKey, error) {
	return crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(seed[:]))
}

func decodePeerID(id string) (peer.ID, error) {
	p, err := peer.Decode(id)
	if err != nil {
		return "", fmt.Errorf("peer id %q: %w", id, err)
	}
	if !isEd25519(p) {
		return "", fmt.Errorf("peer id %q: want the id of an Ed25519 key", id)
	}
	return p, nil
}

// isEd25519 reports whether a peer id holds an Ed25519 key. Other types are refused: verifying with a huge RSA key is an
// attack on processor time.
func isEd25519(id peer.ID) bool {
	key, err := id.ExtractPublicKey()
	return err == nil && key.Type() == pb.KeyType_Ed25519
}
