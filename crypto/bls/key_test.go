package bls

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

func TestSecretKeyRoundTrip(t *testing.T) {
	k := newCommittee(t, 1).secret[0]
	back, err := SecretKeyFromBytes(k.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if back.Public() != k.Public() || back.Sign([]byte("m")) != k.Sign([]byte("m")) {
		t.Fatal("a decoded key differs from the encoded one")
	}
	if mustParse(t, k.Public()).Bytes() != k.Public() {
		t.Fatal("public key does not survive a round trip")
	}
}

func TestSecretKeyFromBytesRefusesBadScalars(t *testing.T) {
	above := unhex(t, order)
	above[31]++
	cases := map[string][]byte{
		"empty": nil, "short": make([]byte, 31), "long": append(make([]byte, 32), 1), "zero": make([]byte, 32),
		"order": unhex(t, order), "above order": above, "all ones": bytes.Repeat([]byte{0xff}, 32),
	}
	for name, b := range cases {
		if _, err := SecretKeyFromBytes(b); !errors.Is(err, ErrScalar) {
			t.Errorf("%s: got %v, want ErrScalar", name, err)
		}
	}
	highest := unhex(t, order)
	highest[31]--
	if _, err := SecretKeyFromBytes(highest); err != nil {
		t.Errorf("order minus one: %v", err)
	}
}

func TestGenerateAndDerive(t *testing.T) {
	seed := bytes.Repeat([]byte{7}, 32)
	a, err := GenerateKey(bytes.NewReader(seed))
	if err != nil {
		t.Fatal(err)
	}
	b, err := DeriveKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	if a.Public() != b.Public() {
		t.Error("the same 32 bytes give different keys")
	}
	if _, err := DeriveKey(seed[:31]); !errors.Is(err, ErrSeed) {
		t.Errorf("short seed: got %v, want ErrSeed", err)
	}
	if _, err := GenerateKey(bytes.NewReader(seed[:31])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short reader: got %v, want io.ErrUnexpectedEOF", err)
	}
}

func TestSecretKeyNeverPrints(t *testing.T) {
	k := newCommittee(t, 1).secret[0]
	secret := fmt.Sprintf("%x", k.Bytes())
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if out := fmt.Sprintf(format, k); strings.Contains(out, secret) || !strings.Contains(out, k.Public().String()) {
			t.Errorf("%s prints %s", format, out)
		}
	}
}

func TestParsePublicKeyRefuses(t *testing.T) {
	good := newCommittee(t, 1).secret[0].Public()
	uncompressed, nonCanonical := good, good
	uncompressed[0] &^= 0x80
	copy(nonCanonical[48:], unhex(t, modulus))
	cases := []struct {
		name string
		raw  remora.BLSPublicKey
		want error
	}{
		{"zero bytes", remora.BLSPublicKey{}, ErrEncoding},
		{"infinity", remora.BLSPublicKey{0xc0}, ErrInfinity},
		{"infinity with sign", remora.BLSPublicKey{0xe0}, ErrEncoding},
		{"infinity with a coordinate", remora.BLSPublicKey{0: 0xc0, 95: 1}, ErrEncoding},
		{"compression bit clear", uncompressed, ErrEncoding},
		{"coordinate not below the modulus", nonCanonical, ErrEncoding},
		{"outside the subgroup", outsideG2(t), ErrSubgroup},
	}
	for _, c := range cases {
		if _, err := ParsePublicKey(c.raw); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestPossession(t *testing.T) {
	c := newCommittee(t, 2)
	pk, pop := c.secret[0].Public(), c.secret[0].ProvePossession()
	if err := VerifyPossession(pk, pop); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		pk   remora.BLSPublicKey
		pop  remora.BLSSignature
		want error
	}{
		{"another's proof", pk, c.secret[1].ProvePossession(), ErrPossession},
		{"a signature of the key bytes as a message", pk, c.secret[0].Sign(pk[:]), ErrPossession},
		{"infinity proof", pk, remora.BLSSignature{0xc0}, ErrInfinity},
		{"proof outside the subgroup", pk, outsideG1(t), ErrSubgroup},
		{"infinity key", remora.BLSPublicKey{0xc0}, remora.BLSSignature{0xc0}, ErrInfinity},
		{"key outside the subgroup", outsideG2(t), pop, ErrSubgroup},
	}
	for _, c := range cases {
		if err := VerifyPossession(c.pk, c.pop); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// The attack that proofs of possession exist for: a key made as attacker minus victim forges for both.
func TestRogueKeyIsRefusedByPossession(t *testing.T) {
	c := newCommittee(t, 2)
	victim, attacker := c.public[0], c.secret[1]
	var diff blst.P2
	diff.AddAssign(&c.public[1].point).SubAssign(&victim.point)
	var raw remora.BLSPublicKey
	copy(raw[:], diff.ToAffine().Compress())
	rogue := mustParse(t, raw)

	msg := []byte("the victim never signed this")
	if err := NewKeyring([]*PublicKey{victim, rogue}).VerifyAggregate([]int{0, 1}, msg, attacker.Sign(msg)); err != nil {
		t.Fatalf("the forgery should work where possession was not checked: %v", err)
	}
	for _, pop := range []remora.BLSSignature{attacker.signTagged(raw[:], possessionTag), attacker.ProvePossession()} {
		if err := VerifyPossession(raw, pop); !errors.Is(err, ErrPossession) {
			t.Errorf("rogue key registered: %v", err)
		}
	}
}
