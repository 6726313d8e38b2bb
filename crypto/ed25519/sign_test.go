package ed25519_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
)

// newKey makes a key from a fixed seed.
func newKey(tb testing.TB, n int) *ed25519.PrivateKey {
	tb.Helper()
	k, err := ed25519.NewKeyFromSeed(fmt.Appendf(nil, "%032d", n))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// RFC 8032, section 7.1, tests 1 to 3.
func TestSignRFC8032(t *testing.T) {
	cases := []struct{ seed, public, msg, sig string }{
		{
			"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
			"",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		},
		{
			"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
			"72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		},
		{
			"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
			"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
			"af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
		},
	}
	for i, c := range cases {
		seed, msg := decode(t, c.seed), decode(t, c.msg)
		k, err := ed25519.NewKeyFromSeed(seed)
		if err != nil {
			t.Fatal(err)
		}
		sig := k.Sign(msg)
		if k.Public().String() != c.public || hex.EncodeToString(sig[:]) != c.sig || !bytes.Equal(k.Seed(), seed) {
			t.Errorf("vector %d: public %s, signature %x", i+1, k.Public(), sig)
		}
		if !ed25519.Verify(k.Public(), msg, sig) {
			t.Errorf("vector %d does not verify", i+1)
		}
	}
}

func TestKeysFromBadInput(t *testing.T) {
	for _, n := range []int{0, 31, 33, 64} {
		if _, err := ed25519.NewKeyFromSeed(make([]byte, n)); !errors.Is(err, ed25519.ErrSeed) {
			t.Errorf("seed of %d bytes: %v", n, err)
		}
	}
	if _, err := ed25519.GenerateKey(bytes.NewReader(make([]byte, 31))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short reader: %v", err)
	}
	seed := bytes.Repeat([]byte{7}, ed25519.SeedSize)
	k, err := ed25519.GenerateKey(bytes.NewReader(seed))
	if err != nil || !bytes.Equal(k.Seed(), seed) {
		t.Errorf("a key is not a function of its reader: %v", err)
	}
}

func TestPrivateKeyNeverPrints(t *testing.T) {
	k := newKey(t, 1)
	secret := hex.EncodeToString(k.Seed())
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if out := fmt.Sprintf(format, k); strings.Contains(out, secret) || !strings.Contains(out, k.Public().String()) {
			t.Errorf("%s prints %s", format, out)
		}
	}
}

func decode(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// item is a good signature by key n.
func item(tb testing.TB, n int) ed25519.Item {
	tb.Helper()
	k, msg := newKey(tb, n), fmt.Appendf(nil, "message %d", n)
	return ed25519.Item{Public: k.Public(), Message: msg, Signature: k.Sign(msg)}
}

func items(tb testing.TB, n int) []ed25519.Item {
	tb.Helper()
	all := make([]ed25519.Item, n)
	for i := range all {
		all[i] = item(tb, i)
	}
	return all
}

var zeroSignature remora.Signature
