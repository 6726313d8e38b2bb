package mempooltest_test

import (
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/mempooltest"
)

func TestBuilderMakesValidCertificates(t *testing.T) {
	b := mempooltest.NewBuilder(mempooltest.NewWeightedCommittee(10, 20, 30, 40))
	b.Grow()
	b.Grow(1, 2, 3)
	b.Add(3, 2, 1, 2, 3)
	if got := len(b.All()); got != 8 || b.Round() != 3 {
		t.Fatalf("%d certificates in %d rounds", got, b.Round())
	}
	for _, c := range b.All() {
		if !mempooltest.VerifyCertificate(b.Committee, c) || !mempooltest.VerifyHeader(&c.Header) {
			t.Errorf("%d/%d does not verify", c.Round(), c.Author())
		}
	}
	var authors []remora.Authority
	for _, p := range b.Certificate(3, 2).Header.Parents {
		authors = append(authors, p.Author)
	}
	if !slices.Equal(authors, []remora.Authority{1, 2, 3}) || b.Certificate(2, 0) != nil || b.Certificate(9, 0) != nil {
		t.Errorf("parents %v", authors)
	}
}

func TestVerifyNoticesForgery(t *testing.T) {
	b := mempooltest.NewBuilder(mempooltest.NewCommittee(4))
	good := b.Add(1, 2)
	for name, change := range map[string]func(*remora.Certificate){
		"signature": func(c *remora.Certificate) { c.Signature[0] ^= 1 },
		"signers":   func(c *remora.Certificate) { c.Signers = remora.NewBitmap(4, 1, 2, 3) },
		"quorum":    func(c *remora.Certificate) { *c = *mempooltest.Certify(b.Committee, &good.Header, 0, 1) },
		"header":    func(c *remora.Certificate) { c.Header.CreatedAt++; mempooltest.Sign(b.Committee, &c.Header) },
	} {
		c := *good
		change(&c)
		if mempooltest.VerifyCertificate(b.Committee, &c) {
			t.Errorf("%s: verifies", name)
		}
	}
	h := good.Header
	h.Author = 3
	if mempooltest.VerifyHeader(&h) {
		t.Error("another author's signature verifies")
	}
	s := mempooltest.Signer{Committee: b.Committee}
	message := remora.VoteMessage(b.Committee.Domain, &good.Header)
	votes := []remora.Vote{mempooltest.NewVote(b.Committee, 0, &good.Header), mempooltest.NewVote(b.Committee, 1, &good.Header), {Voter: 3}}
	if _, signers, bad := s.Aggregate(message, votes); signers.Count() != 2 || !slices.Equal(bad, []remora.Authority{3}) {
		t.Errorf("signers %v, bad %v", signers, bad)
	}
}

func TestLeaders(t *testing.T) {
	rotating, fixed := mempooltest.Leader(mempooltest.NewCommittee(3)), mempooltest.FixedLeader(2)
	for r, want := range map[remora.Round]remora.Authority{2: 0, 4: 1, 6: 2, 8: 0} {
		if a, ok := rotating(r); !ok || a != want {
			t.Errorf("round %d: %d, %v", r, a, ok)
		}
		if a, ok := fixed(r); !ok || a != 2 {
			t.Errorf("round %d: fixed %d, %v", r, a, ok)
		}
	}
	for _, r := range []remora.Round{0, 1, 3} {
		_, a := rotating(r)
		_, b := fixed(r)
		if a || b {
			t.Errorf("round %d has a leader", r)
		}
	}
}
