package remora_test

import (
	"math/rand"
	"slices"
	"testing"

	"github.com/remora-network/remora"
)

// TestBitmap compares bitmaps with sets on random members of committees of all sizes.
func TestBitmap(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for n := 1; n <= remora.MaxCommittee; n++ {
		b := remora.NewBitmap(n)
		var want []remora.Authority
		for a := range remora.Authority(n) {
			if rng.Intn(2) == 0 {
				b.Add(a)
				b.Add(a) // adding twice changes nothing
				want = append(want, a)
			}
		}
		if got := slices.Collect(b.Members()); !slices.Equal(got, want) || b.Count() != len(want) {
			t.Fatalf("n=%d: members %v, count %d, want %v", n, got, b.Count(), want)
		}
		if err := b.Check(n); err != nil {
			t.Errorf("n=%d: %v", n, err)
		}
		if !slices.Equal(b, remora.NewBitmap(n, want...)) {
			t.Errorf("n=%d: NewBitmap of the members differs", n)
		}
		for _, a := range []remora.Authority{remora.Authority(8 * len(b)), 65535} {
			if b.Has(a) {
				t.Errorf("n=%d: holds %d, beyond its bytes", n, a)
			}
		}
		for range b.Members() {
			break // a loop may end early
		}
	}
}

func TestBitmapCheck(t *testing.T) {
	for n := 1; n <= 64; n++ {
		for length := range 10 {
			if err := make(remora.Bitmap, length).Check(n); (err == nil) != (length == (n+7)/8) {
				t.Errorf("%d bytes for %d members: %v", length, n, err)
			}
		}
		for bit := n; bit < (n+7)/8*8; bit++ {
			b := remora.NewBitmap(n)
			b.Add(remora.Authority(bit))
			if b.Check(n) == nil {
				t.Errorf("bit %d passes for %d members", bit, n)
			}
		}
	}
}

// FuzzBitmap: a bitmap that passes Check has one encoding, members of the committee only, and their stake.
func FuzzBitmap(f *testing.F) {
	f.Add([]byte{0b1011}, uint8(4))
	f.Add([]byte{0xff, 0x01}, uint8(9))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, raw []byte, size uint8) {
		n := int(size) + 1
		b := remora.Bitmap(raw)
		if b.Check(n) != nil {
			return
		}
		members := slices.Collect(b.Members())
		if len(members) > n || b.Count() != len(members) || !slices.IsSorted(members) {
			t.Fatalf("members %v of a committee of %d", members, n)
		}
		committee := &remora.Committee{Members: make([]remora.Member, n)}
		var want remora.Amount
		for i := range committee.Members {
			committee.Members[i].Stake = remora.Amount(i + 1)
			if slices.Contains(members, remora.Authority(i)) {
				want += remora.Amount(i + 1)
			}
		}
		if got := committee.StakeOf(b); got != want {
			t.Errorf("stake %d, want %d", got, want)
		}
		if !slices.Equal(remora.NewBitmap(n, members...), b) {
			t.Errorf("%x and %x are one set", b, remora.NewBitmap(n, members...))
		}
	})
}
