package bls

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/remora-network/remora"
)

func TestVerifyRefuses(t *testing.T) {
	c := newCommittee(t, 2)
	msg := []byte("message")
	sig := c.secret[0].Sign(msg)
	if err := Verify(c.public[0], msg, sig); err != nil {
		t.Fatal(err)
	}
	negated := sig
	negated[0] ^= 0x20
	var nonCanonical remora.BLSSignature
	copy(nonCanonical[:], unhex(t, modulus))
	nonCanonical[0] |= 0x80
	cases := []struct {
		name string
		key  int
		msg  string
		sig  remora.BLSSignature
		want error
	}{
		{"other key", 1, "message", sig, ErrSignature},
		{"other message", 0, "massage", sig, ErrSignature},
		{"empty message", 0, "", sig, ErrSignature},
		{"negated", 0, "message", negated, ErrSignature},
		{"made for possession", 0, "message", c.secret[0].signTagged(msg, possessionTag), ErrSignature},
		{"made with the G2 tag", 0, "message", c.secret[0].signTagged(msg, "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"), ErrSignature},
		{"zero bytes", 0, "message", remora.BLSSignature{}, ErrEncoding},
		{"infinity", 0, "message", remora.BLSSignature{0xc0}, ErrInfinity},
		{"infinity with sign", 0, "message", remora.BLSSignature{0xe0}, ErrEncoding},
		{"coordinate not below the modulus", 0, "message", nonCanonical, ErrEncoding},
		{"outside the subgroup", 0, "message", outsideG1(t), ErrSubgroup},
	}
	for _, tc := range cases {
		if err := Verify(c.public[tc.key], []byte(tc.msg), tc.sig); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, err, tc.want)
		}
	}
	if err := Verify(c.public[0], nil, c.secret[0].Sign(nil)); err != nil {
		t.Errorf("signed empty message: %v", err)
	}
}

// A round of drand's quicknet, made by another implementation: same groups, encodings and hash to curve, own tag.
func TestVerifiesDrandRound(t *testing.T) {
	const (
		key = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451" +
			"0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
		round      = 1000
		signature  = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
		randomness = "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"
		tag        = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
	)
	pk := mustParse(t, remora.BLSPublicKey(unhex(t, key)))
	sig := remora.BLSSignature(unhex(t, signature))
	if sum := sha256.Sum256(sig[:]); hex.EncodeToString(sum[:]) != randomness {
		t.Fatal("the vector is misprinted")
	}
	point, err := parseSignature(sig)
	if err != nil {
		t.Fatal(err)
	}
	msg := sha256.Sum256(binary.BigEndian.AppendUint64(nil, round))
	if !verifyPoint(&pk.point, point, msg[:], tag) {
		t.Error("a published round does not verify")
	}
	if verifyPoint(&pk.point, point, msg[:], signatureTag) {
		t.Error("it verifies under another tag")
	}
}

func TestAggregateRefuses(t *testing.T) {
	c := newCommittee(t, 1)
	sig := c.secret[0].Sign([]byte("m"))
	negated := sig
	negated[0] ^= 0x20
	cases := []struct {
		name string
		sigs []remora.BLSSignature
		want error
	}{
		{"nothing", nil, ErrNoSigners},
		{"an infinity", []remora.BLSSignature{sig, {0xc0}}, ErrInfinity},
		{"terms that cancel out", []remora.BLSSignature{sig, negated}, ErrInfinity},
		{"a point outside the subgroup", []remora.BLSSignature{outsideG1(t), sig}, ErrSubgroup},
		{"garbage", []remora.BLSSignature{{1, 2, 3}}, ErrEncoding},
	}
	for _, tc := range cases {
		if got, err := Aggregate(tc.sigs); !errors.Is(err, tc.want) || got != (remora.BLSSignature{}) {
			t.Errorf("%s: got %v, want %v and no signature", tc.name, err, tc.want)
		}
	}
}
