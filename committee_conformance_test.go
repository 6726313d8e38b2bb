package remora_test

import (
	"testing"

	"github.com/remora-network/remora"
)

// TestThresholds checks the arithmetic of stake on which agreement depends.
func TestThresholds(t *testing.T) {
	t.Run("threshold_arithmetic", testThresholds)
	t.Run("bitmap_fuzz", testSigners)
}

// testThresholds tries every total up to 10,000 and the largest ones, with f the most stake below a third.
func testThresholds(t *testing.T) {
	totals := []remora.Amount{1<<62 - 1, 1<<62 - 2, 1<<62 - 3}
	for s := remora.Amount(1); s <= 10_000; s++ {
		totals = append(totals, s)
	}
	for _, s := range totals {
		q, v, f := remora.Quorum(s), remora.Validity(s), (s-1)/3
		switch {
		case q+q-s < v:
			t.Fatalf("S=%d: two quorums of %d need not share an honest member", s, q)
		case q+v <= s:
			t.Fatalf("S=%d: a quorum of %d and validity stake %d need not meet", s, q, v)
		case v != f+1:
			t.Fatalf("S=%d: validity %d, want %d", s, v, f+1)
		case q > s-f:
			t.Fatalf("S=%d: a quorum of %d needs a faulty member", s, q)
		}
	}
}

// testSigners gives committees of one to ten members every bitmap of up to two bytes: those of the right length that
// name members alone, with a quorum of their stake, pass as signers, and no others.
func testSigners(t *testing.T) {
	stakes := []remora.Amount{7, 1, 3, 2, 11, 5, 1, 1, 4, 6}
	for n := 1; n <= len(stakes); n++ {
		committee := sampleCommittee(t, stakes[:n]...)
		var passed int
		for bits := range 1 << 16 {
			for length := range 3 {
				if bits>>(8*length) != 0 {
					continue // does not fit
				}
				bitmap := remora.Bitmap{byte(bits), byte(bits >> 8)}[:length]
				var stake remora.Amount
				for i, m := range committee.Members {
					stake += m.Stake * remora.Amount(bits>>i&1)
				}
				want := length == (n+7)/8 && bits>>n == 0 && 3*stake > 2*committee.Total()
				certificate := remora.BlockCertificate{Signers: bitmap}
				if err := certificate.Check(committee); (err == nil) != want {
					t.Fatalf("%d members, signers %x: %v, want them to pass: %v", n, []byte(bitmap), err, want)
				}
				if want {
					passed++
				}
			}
		}
		if passed == 0 || passed > 1<<(n-1) {
			t.Errorf("%d members: %d of %d sets are quorums", n, passed, 1<<n)
		}
	}
}
