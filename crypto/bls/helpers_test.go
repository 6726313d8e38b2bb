package bls

import (
	"encoding/hex"
	"fmt"
	"testing"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

// committee is n keys from fixed seeds, with their ring.
type committee struct {
	secret []*SecretKey
	public []*PublicKey
	ring   *Keyring
}

func newCommittee(tb testing.TB, n int) committee {
	tb.Helper()
	var c committee
	for i := range n {
		k, err := DeriveKey(fmt.Appendf(nil, "a seed of at least thirty-two bytes %d", i))
		if err != nil {
			tb.Fatal(err)
		}
		c.secret = append(c.secret, k)
		c.public = append(c.public, mustParse(tb, k.Public()))
	}
	c.ring = NewKeyring(c.public)
	return c
}

func (c committee) votes(msg []byte, signers ...int) []Vote {
	votes := make([]Vote, len(signers))
	for i, s := range signers {
		votes[i] = Vote{Signer: s, Signature: c.secret[s].Sign(msg)}
	}
	return votes
}

func (c committee) aggregate(tb testing.TB, msg []byte, signers ...int) remora.BLSSignature {
	tb.Helper()
	var sigs []remora.BLSSignature
	for _, v := range c.votes(msg, signers...) {
		sigs = append(sigs, v.Signature)
	}
	sig, err := Aggregate(sigs)
	if err != nil {
		tb.Fatal(err)
	}
	return sig
}

func mustParse(tb testing.TB, raw remora.BLSPublicKey) *PublicKey {
	tb.Helper()
	k, err := ParsePublicKey(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// outsideG1 and outsideG2 are points on the curve but outside the subgroup: nearly every x that is on the curve.
func outsideG1(tb testing.TB) (sig remora.BLSSignature) {
	tb.Helper()
	for x := range 256 {
		sig = remora.BLSSignature{0: 0x80, 47: byte(x)}
		if p := new(blst.P1Affine).Uncompress(sig[:]); p != nil && !p.InG1() {
			return sig
		}
	}
	tb.Fatal("no point found")
	return sig
}

func outsideG2(tb testing.TB) (pk remora.BLSPublicKey) {
	tb.Helper()
	for x := range 256 {
		pk = remora.BLSPublicKey{0: 0x80, 95: byte(x)}
		if p := new(blst.P2Affine).Uncompress(pk[:]); p != nil && !p.InG2() {
			return pk
		}
	}
	tb.Fatal("no point found")
	return pk
}

// modulus is the field's, big-endian: the smallest coordinate that is not canonical.
const modulus = "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"

// order is the order of both groups, big-endian.
const order = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001"
