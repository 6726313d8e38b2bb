// Package trusttest has a committee for tests of what is checked against one.
package trusttest

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/trust"
)

// Committee returns four members with keys of their own, by authority; peer names are p0 to p3.
func Committee(t testing.TB) (*trust.Committee, []*bls.SecretKey, []*ed25519.PrivateKey) {
	t.Helper()
	members, consensus := make([]remora.Member, 4), map[remora.BLSPublicKey]*bls.SecretKey{}
	headers := map[remora.Address]*ed25519.PrivateKey{}
	for i := range members {
		seed := remora.SumBLAKE3([]byte{1, byte(i)})
		key, err := bls.DeriveKey(seed[:])
		if err != nil {
			t.Fatal(err)
		}
		header, err := ed25519.NewKeyFromSeed(seed[:])
		if err != nil {
			t.Fatal(err)
		}
		consensus[key.Public()], headers[header.Public()] = key, header
		members[i] = remora.Member{
			Name: string(rune('a' + i)), Stake: 1, Consensus: key.Public(), Beacon: remora.BLSPublicKey{byte(i + 1)},
			Header: header.Public(), PeerID: "p" + string(rune('0'+i)), Addrs: []string{"/x"},
		}
	}
	c, err := remora.NewCommittee(remora.Domain{1}, 1, members)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := trust.New(c)
	if err != nil {
		t.Fatal(err)
	}
	keys, signers := make([]*bls.SecretKey, 4), make([]*ed25519.PrivateKey, 4)
	for i, m := range c.Members {
		keys[i], signers[i] = consensus[m.Consensus], headers[m.Header]
	}
	return trusted, keys, signers
}
