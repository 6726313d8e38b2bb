package bls

import (
	"runtime/metrics"
	"slices"
	"testing"
)

// goroutinesCreated counts since the start of the process.
func goroutinesCreated(tb testing.TB) uint64 {
	tb.Helper()
	sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		tb.Skip("this runtime does not count goroutines")
	}
	return sample[0].Value.Uint64()
}

// Verification stays on the caller's goroutine: the caller has its own workers, one per core.
func TestVerificationStartsNoGoroutine(t *testing.T) {
	c := newCommittee(t, 4)
	msg := []byte("m")
	items := makeItems(t, c, 9)
	pk, pop := c.secret[0].Public(), c.secret[0].ProvePossession()
	sig, votes := c.aggregate(t, msg, 0, 1, 2), c.votes(msg, 0, 1, 2, 3)
	p, q := pairs(9)
	calls := map[string]func() error{
		"VerifyPossession":  func() error { return VerifyPossession(pk, pop) },
		"Verify":            func() error { return Verify(c.public[0], msg, votes[0].Signature) },
		"VerifyAggregate":   func() error { return c.ring.VerifyAggregate([]int{0, 1, 2}, msg, sig) },
		"VerifyAggregates":  func() error { return VerifyAggregates(items)[0] },
		"AggregateVerified": func() error { _, _, _, err := AggregateVerified(c.ring, votes, msg); return err },
		"PairingProduct":    func() error { _, err := PairingProductIsOne(p, q); return err },
	}
	for name, call := range calls {
		// The runtime itself may start one in between, but not every time.
		var started []uint64
		for range 10 {
			before := goroutinesCreated(t)
			if err := call(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			started = append(started, goroutinesCreated(t)-before)
		}
		if fewest := slices.Min(started); fewest != 0 {
			t.Errorf("%s starts %d goroutines", name, fewest)
		}
	}
}
