package ed25519_test

import (
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
)

// groupOrder is the order of the prime-order subgroup, little-endian.
const groupOrder = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"

func TestVerifyRefuses(t *testing.T) {
	good := item(t, 1)
	cases := map[string]func(*ed25519.Item){
		"other message":     func(it *ed25519.Item) { it.Message = []byte("other") },
		"other key":         func(it *ed25519.Item) { it.Public = newKey(t, 2).Public() },
		"no signature":      func(it *ed25519.Item) { it.Signature = zeroSignature },
		"changed R":         func(it *ed25519.Item) { it.Signature[0] ^= 1 },
		"changed s":         func(it *ed25519.Item) { it.Signature[32] ^= 1 },
		"key off the curve": func(it *ed25519.Item) { it.Public = remora.Address{2} },
		"R off the curve":   func(it *ed25519.Item) { copy(it.Signature[:32], make([]byte, 32)); it.Signature[0] = 2 },
		"s plus the order":  func(it *ed25519.Item) { addOrder(t, it.Signature[32:]) },
		"high bits of s":    func(it *ed25519.Item) { it.Signature[63] |= 0xe0 },
	}
	for name, spoil := range cases {
		bad := good
		spoil(&bad)
		if ed25519.Verify(bad.Public, bad.Message, bad.Signature) {
			t.Errorf("%s: accepted alone", name)
		}
		if got := ed25519.VerifyAll([]ed25519.Item{good, bad}); !slices.Equal(got, []bool{true, false}) {
			t.Errorf("%s: in a batch got %v", name, got)
		}
	}
}

// addOrder makes the other spelling of a scalar: the malleability that ZIP-215 excludes.
func addOrder(tb testing.TB, s []byte) {
	tb.Helper()
	carry := 0
	for i, b := range decode(tb, groupOrder) {
		carry += int(s[i]) + int(b)
		s[i] = byte(carry)
		carry >>= 8
	}
}

// Sizes around the group size, the bad at the edges of groups.
func TestVerifyAllNamesTheBad(t *testing.T) {
	const g = ed25519.GroupSize
	for _, n := range []int{0, 1, 2, g - 1, g, g + 1, 2*g + 1} {
		all := items(t, n)
		want := make([]bool, n)
		for i := range want {
			want[i] = true
		}
		if got := ed25519.VerifyAll(all); !slices.Equal(got, want) {
			t.Errorf("%d good items: some refused", n)
		}
		for _, bad := range []int{0, g - 1, g, n - 1} {
			if bad < 0 || bad >= n || !want[bad] {
				continue
			}
			all[bad].Signature[40] ^= 1
			want[bad] = false
		}
		if got := ed25519.VerifyAll(all); !slices.Equal(got, want) {
			t.Errorf("%d items: got %v, want %v", n, got, want)
		}
	}
}

func TestBatch(t *testing.T) {
	if ed25519.VerifyTogether(nil) {
		t.Error("an empty batch verifies")
	}
	batch := items(t, 3)
	if !ed25519.VerifyTogether(batch) {
		t.Error("three good signatures do not verify")
	}
	if ed25519.VerifyTogether(append(batch, ed25519.Item{Public: newKey(t, 1).Public()})) {
		t.Error("a bad signature verifies in a batch")
	}
}
