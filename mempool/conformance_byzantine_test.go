package mempool_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// TestByzantine holds what a peer that breaks the rules can reach.
func TestByzantine(t *testing.T) {
	t.Run("equivocating_headers_to_two_halves", testEquivocator)
	t.Run("far_future_certificates_bounded_memory", testFarFuture)
}

// testEquivocator spreads two headers of one author and round over the voters in every way: at most one gets a certificate.
func testEquivocator(t *testing.T) {
	for spread := range 1 << 6 {
		c := newCluster(t, 4, 1)
		b := mempooltest.NewBuilder(c.committee)
		first := b.Header(1, 3)
		second := *first
		second.CreatedAt++
		mempooltest.Sign(c.committee, &second)
		stake := map[remora.Hash]int{first.Digest(): 1, second.Digest(): 1} // its own votes
		for a := range 3 {
			order := []*remora.Header{first, &second}
			if spread>>a&1 == 1 {
				slices.Reverse(order)
			}
			for _, h := range order[:1+spread>>(a+3)&1] {
				c.step(remora.Authority(a), mempool.HeaderReceived{Header: h})
			}
		}
		c.work()
		for _, p := range c.queue {
			if v, ok := p.message.(mempool.VoteReceived); ok && v.Vote.Author == 3 {
				stake[v.Vote.Digest]++
			}
		}
		if stake[first.Digest()] >= 3 && stake[second.Digest()] >= 3 {
			t.Errorf("spread %06b: both have a quorum", spread)
		}
	}
}

// testFarFuture withholds the first round and sends the certificates of 500 rounds above it: those in the window are
// suspended, those beyond are refused and have no parents asked for, and the first round sets free what is kept.
func testFarFuture(t *testing.T) {
	r := newRig(t)
	for range 500 {
		r.Grow(1, 2, 3)
	}
	const highest = 1 + 2*gcDepth
	for _, c := range r.All()[3:] {
		_, err := r.step(mempool.CertificateReceived{Certificate: c})
		if want := c.Round() > highest; errors.Is(err, mempool.ErrTooFarAhead) != want || (err != nil) != want {
			t.Fatalf("certificate of author %d, round %d: %v", c.Author(), c.Round(), err)
		}
	}
	if certificates, _, wants := r.core.Held(); certificates != 3*(highest-1) || wants != 3 {
		t.Errorf("holds %d certificates, asks for %d", certificates, wants)
	}
	var delivered int
	for _, c := range r.Layer(1) {
		delivered += len(r.must(mempool.CertificateReceived{Certificate: c}).Delivered)
	}
	if delivered != 3*highest {
		t.Errorf("delivered %d of %d", delivered, 3*highest)
	}
}
