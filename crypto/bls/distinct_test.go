package bls

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/remora-network/remora"
)

// distinct is n keys that sign a message each.
func distinct(tb testing.TB, n int) (keys []*PublicKey, messages [][]byte, sigs []remora.BLSSignature, sum remora.BLSSignature) {
	tb.Helper()
	c := newCommittee(tb, n)
	for i, k := range c.secret {
		messages = append(messages, fmt.Appendf(nil, "receipt %d", i))
		sigs = append(sigs, k.Sign(messages[i]))
	}
	sum, err := Aggregate(sigs)
	if err != nil {
		tb.Fatal(err)
	}
	return c.public, messages, sigs, sum
}

// Sizes around blst's inner group of eight pairs.
func TestVerifyDistinctAcceptsGood(t *testing.T) {
	for _, n := range []int{1, 2, 7, 8, 9, 16, 17, 32} {
		keys, messages, _, sum := distinct(t, n)
		if err := VerifyDistinct(keys, messages, sum); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestVerifyDistinctAgreesWithVerify(t *testing.T) {
	keys, messages, sigs, _ := distinct(t, 2)
	for i := range keys {
		for j := range sigs {
			one, alone := VerifyDistinct(keys[i:i+1], messages[i:i+1], sigs[j]), Verify(keys[i], messages[i], sigs[j])
			if !errors.Is(one, alone) || (i == j) != (one == nil) {
				t.Errorf("key %d, signature %d: %v, want %v", i, j, one, alone)
			}
		}
	}
}

func TestVerifyDistinctOfOneKey(t *testing.T) {
	keys, messages, _, _ := distinct(t, 2)
	k := newCommittee(t, 1).secret[0]
	sum, err := Aggregate([]remora.BLSSignature{k.Sign(messages[0]), k.Sign(messages[1])})
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyDistinct([]*PublicKey{keys[0], keys[0]}, messages, sum); err != nil {
		t.Errorf("a key may sign several messages: %v", err)
	}
}

func TestVerifyDistinctRefuses(t *testing.T) {
	const n = 10
	keys, messages, sigs, sum := distinct(t, n)
	partial, err := Aggregate(sigs[1:])
	if err != nil {
		t.Fatal(err)
	}
	doubled, err := Aggregate(append(slices.Clone(sigs), sigs[0]))
	if err != nil {
		t.Fatal(err)
	}
	swapped, twice := slices.Clone(messages), slices.Clone(messages)
	swapped[2], swapped[8] = swapped[8], swapped[2]
	twice[9] = slices.Clone(twice[0])
	wrong := slices.Clone(keys)
	wrong[4] = keys[5]
	cases := []struct {
		name     string
		keys     []*PublicKey
		messages [][]byte
		sig      remora.BLSSignature
		want     error
	}{
		{"messages swapped", keys, swapped, sum, ErrSignature},
		{"a wrong key", wrong, messages, sum, ErrSignature},
		{"a signature missing", keys, messages, partial, ErrSignature},
		{"the first missing", keys[1:], messages[1:], sum, ErrSignature},
		{"the last missing", keys[:n-1], messages[:n-1], sum, ErrSignature},
		{"a signature twice", keys, messages, doubled, ErrSignature},
		{"one signature for all", keys, messages, sigs[0], ErrSignature},
		{"infinity", keys, messages, remora.BLSSignature{0xc0}, ErrInfinity},
		{"garbage", keys, messages, remora.BLSSignature{1}, ErrEncoding},
		{"outside the subgroup", keys, messages, outsideG1(t), ErrSubgroup},
		{"nobody", nil, nil, sum, ErrNoSigners},
		{"a message missing", keys, messages[1:], sum, ErrMessages},
		{"a message too many", keys[1:], messages, sum, ErrMessages},
		{"a message twice", keys, twice, sum, ErrMessages},
		{"a pair twice", append(slices.Clone(keys), keys[0]), append(slices.Clone(messages), messages[0]), doubled, ErrMessages},
	}
	for _, tc := range cases {
		if err := VerifyDistinct(tc.keys, tc.messages, tc.sig); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, err, tc.want)
		}
	}
}

func TestVerifyDistinctStartsNoGoroutine(t *testing.T) {
	keys, messages, _, sum := distinct(t, 9)
	fewest := ^uint64(0)
	for range 10 { // the runtime itself may start one in between, but not every time
		before := goroutinesCreated(t)
		if err := VerifyDistinct(keys, messages, sum); err != nil {
			t.Fatal(err)
		}
		fewest = min(fewest, goroutinesCreated(t)-before)
	}
	if fewest != 0 {
		t.Errorf("it starts %d goroutines", fewest)
	}
}

func BenchmarkVerifyDistinct(b *testing.B) {
	for _, n := range []int{1, 32} {
		keys, messages, _, sum := distinct(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if err := VerifyDistinct(keys, messages, sum); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
