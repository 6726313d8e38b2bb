package remora_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/remora-network/remora"
)

func TestHeaderCheck(t *testing.T) {
	tests := []struct {
		name   string
		change func(*remora.Header)
		want   error
	}{
		{"as made", func(*remora.Header) {}, nil},
		{"all parents", func(h *remora.Header) {
			h.Parents = slices.Insert(h.Parents, 2, remora.Parent{Author: 2, Digest: sampleHash(60)})
		}, nil},
		{"no payload", func(h *remora.Header) { h.Payload, h.Proofs = nil, nil }, nil},
		{"an adopted batch without proof", func(h *remora.Header) { h.Proofs = nil }, remora.ErrInvalid},
		{"a proof too many", func(h *remora.Header) { h.Proofs = make([]remora.Signature, 2) }, remora.ErrInvalid},
		{"a batch of no member", func(h *remora.Header) { h.Payload[1].Author = 4 }, remora.ErrInvalid},
		{"most adopted batches", func(h *remora.Header) { adopt(h, remora.MaxHeaderAdopted) }, nil},
		{"too many adopted batches", func(h *remora.Header) { adopt(h, remora.MaxHeaderAdopted+1) }, remora.ErrInvalid},
		{"other term", func(h *remora.Header) { h.Term = 2 }, remora.ErrInvalid},
		{"author of no member", func(h *remora.Header) { h.Author = 4 }, remora.ErrInvalid},
		{"round 0", func(h *remora.Header) { h.Round = 0 }, remora.ErrInvalid},
		{"too many batches", func(h *remora.Header) { h.Payload, h.Proofs = payload(3, remora.MaxHeaderBatches+1), nil }, remora.ErrInvalid},
		{"most batches", func(h *remora.Header) { h.Payload, h.Proofs = payload(3, remora.MaxHeaderBatches), nil }, nil},
		{"a batch twice", func(h *remora.Header) { h.Payload, h.Proofs = append(payload(3, 9), payload(3, 1)...), nil }, remora.ErrInvalid},
		{"too many shares", func(h *remora.Header) { h.Shares = make([]remora.Share, remora.MaxHeaderShares+1) }, remora.ErrInvalid},
		{"most shares", func(h *remora.Header) { h.Shares = make([]remora.Share, remora.MaxHeaderShares) }, nil},
		{"two contributions", func(h *remora.Header) { h.Contributions = make([]remora.Contribution, 2) }, remora.ErrInvalid},
		{"parents below a quorum", func(h *remora.Header) { h.Parents = h.Parents[:2] }, remora.ErrInvalid},
		{"no parents", func(h *remora.Header) { h.Parents = nil }, remora.ErrInvalid},
		{"a parent twice", func(h *remora.Header) { h.Parents[1].Author = 0 }, remora.ErrInvalid},
		{"parents out of order", func(h *remora.Header) { slices.Reverse(h.Parents) }, remora.ErrInvalid},
		{"a parent of no member", func(h *remora.Header) { h.Parents[2].Author = 4 }, remora.ErrInvalid},
	}
	committee := sampleCommittee(t, 1, 1, 1, 1)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := sampleHeader()
			tt.change(h)
			if err := h.Check(committee); !errors.Is(err, tt.want) {
				t.Errorf("Check = %v, want %v", err, tt.want)
			}
		})
	}
}

// adopt makes n batches of another author, with as many proofs, the header's payload.
func adopt(h *remora.Header, n int) {
	h.Payload, h.Proofs = payload(1, n), make([]remora.Signature, n)
}

func payload(author remora.Authority, n int) []remora.BatchRef {
	refs := make([]remora.BatchRef, n)
	for i := range refs {
		refs[i].Author = author
		refs[i].Digest[0], refs[i].Digest[1] = byte(i), byte(i>>8)
	}
	return refs
}

func TestHeaderCheckWeighted(t *testing.T) {
	committee := sampleCommittee(t, 10, 20, 30, 40) // a quorum is 67
	for _, tt := range []struct {
		parents []remora.Authority
		enough  bool
	}{
		{[]remora.Authority{0, 1, 2}, false},
		{[]remora.Authority{2, 3}, true},
		{[]remora.Authority{1, 3}, false},
		{[]remora.Authority{0, 1, 3}, true},
	} {
		h := sampleHeader()
		h.Parents = nil
		for _, a := range tt.parents {
			h.Parents = append(h.Parents, remora.Parent{Author: a, Digest: sampleHash(byte(a))})
		}
		if err := h.Check(committee); (err == nil) != tt.enough {
			t.Errorf("parents %v: %v", tt.parents, err)
		}
	}
}

// TestLargestHeader fills a header to its limits for the largest committee: its encoding must fit the bounds.
func TestLargestHeader(t *testing.T) {
	c := &remora.Certificate{Header: *largestHeader(remora.MaxCommittee), Signers: remora.NewBitmap(remora.MaxCommittee)}
	for a := range remora.Authority(remora.MaxCommittee) {
		c.Signers.Add(a)
	}
	if _, err := remora.DecodeCertificate(domain, remora.Encode(c)); err != nil {
		t.Error(err)
	}
	v := &remora.Vote{Term: most, Round: most, Author: 65535, Voter: 65535}
	if _, err := remora.DecodeVote(remora.Encode(v)); err != nil {
		t.Error(err)
	}
}

func TestDecodeHeaderBounds(t *testing.T) {
	if _, err := remora.DecodeHeader(domain, make([]byte, remora.MaxHeaderBytes+1)); !errors.Is(err, remora.ErrTooLarge) {
		t.Errorf("header: %v, want ErrTooLarge", err)
	}
	if _, err := remora.DecodeCertificate(domain, make([]byte, remora.MaxCertificateBytes+1)); !errors.Is(err, remora.ErrTooLarge) {
		t.Errorf("certificate: %v, want ErrTooLarge", err)
	}
	if _, err := remora.DecodeVote(make([]byte, remora.MaxVoteBytes+1)); !errors.Is(err, remora.ErrTooLarge) {
		t.Errorf("vote: %v, want ErrTooLarge", err)
	}
}

// TestDigestsAreBound checks that digests and messages differ by chain and by what they are about.
func TestDigestsAreBound(t *testing.T) {
	h, other := sampleHeader(), sampleHeader()
	other.Seal(otherDomain)
	if h.Digest() == other.Digest() {
		t.Error("a header has one digest on two chains")
	}
	other = sampleHeader()
	other.Signature[0]++
	if other.Seal(domain) != h.Digest() {
		t.Error("the digest covers the signature over it")
	}
	committee := sampleCommittee(t, 1, 1, 1, 1)
	nextTerm := *committee
	nextTerm.Term = 2
	seen := make(map[remora.Hash]bool)
	messages := []remora.Hash{
		h.Digest(), remora.VoteMessage(domain, h), remora.VoteMessage(otherDomain, h),
		remora.BlockMessage(domain, 1, h.Digest()), remora.BlockMessage(domain, 2, h.Digest()),
		remora.BlockMessage(otherDomain, 1, h.Digest()),
		remora.BeaconMessage(domain, 1, h.Digest()), remora.BeaconMessage(domain, 2, h.Digest()),
		remora.BeaconMessage(domain, 1, sampleHash(1)),
		committee.Hash(), nextTerm.Hash(),
	}
	for _, origin := range []remora.Hash{sampleHash(1), sampleHash(2)} {
		for _, c := range []*remora.Committee{committee, &nextTerm} {
			for i, p := range remora.GenesisParents(c, origin) {
				if int(p.Author) != i {
					t.Errorf("genesis parent %d is of authority %d", i, p.Author)
				}
				messages = append(messages, p.Digest)
			}
		}
	}
	for i, m := range messages {
		if seen[m] {
			t.Errorf("message %d is one of the others", i)
		}
		seen[m] = true
	}
}

func TestCertificateCheck(t *testing.T) {
	committee := sampleCommittee(t, 10, 20, 30, 40)
	for _, tt := range []struct {
		name    string
		signers remora.Bitmap
		want    error
	}{
		{"all", remora.NewBitmap(4, 0, 1, 2, 3), nil},
		{"quorum by stake", remora.NewBitmap(4, 2, 3), nil},
		{"many but too little stake", remora.NewBitmap(4, 0, 1, 2), remora.ErrInvalid},
		{"nobody", remora.NewBitmap(4), remora.ErrInvalid},
		{"no bitmap", nil, remora.ErrInvalid},
		{"long bitmap", remora.NewBitmap(9, 0, 1, 2, 3), remora.ErrInvalid},
		{"bits of no member", remora.NewBitmap(8, 0, 1, 2, 3, 4), remora.ErrInvalid},
	} {
		c := sampleCertificate()
		c.Header.Parents = append(c.Header.Parents[:2:2], remora.Parent{Author: 2, Digest: sampleHash(6)}, remora.Parent{Author: 3, Digest: sampleHash(7)})
		c.Signers = tt.signers
		if err := c.Check(committee); !errors.Is(err, tt.want) {
			t.Errorf("%s: Check = %v, want %v", tt.name, err, tt.want)
		}
		block := &remora.BlockCertificate{Signers: tt.signers}
		if err := block.Check(committee); !errors.Is(err, tt.want) {
			t.Errorf("%s: Check of a block certificate = %v, want %v", tt.name, err, tt.want)
		}
	}
	c := sampleCertificate()
	c.Header.Round = 0
	if err := c.Check(sampleCommittee(t, 1, 1, 1, 1)); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("Check of a certificate with a bad header: %v, want ErrInvalid", err)
	}
	if id, want := c.Header.ID(), (remora.Parent{Author: c.Author(), Digest: c.Digest()}); id != want || c.Round() != 0 {
		t.Errorf("ID = %v, want %v", id, want)
	}
}

func FuzzDecodeHeader(f *testing.F) {
	f.Add(remora.Encode(sampleHeader()))
	f.Add(remora.Encode(&remora.Header{}))
	committee := sampleCommittee(f, 1, 1, 1, 1)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := remora.DecodeHeader(domain, b)
		if err != nil {
			return
		}
		if !bytes.Equal(remora.Encode(h), b) {
			t.Errorf("%x decodes and encodes as %x", b, remora.Encode(h))
		}
		if h.Check(committee) == nil && len(h.Parents) < 3 {
			t.Errorf("%d parents pass for a quorum of 3", len(h.Parents))
		}
	})
}

func FuzzDecodeVote(f *testing.F) {
	f.Add(remora.Encode(sampleVote()))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := remora.DecodeVote(b)
		if err == nil && !bytes.Equal(remora.Encode(v), b) {
			t.Errorf("%x decodes and encodes as %x", b, remora.Encode(v))
		}
	})
}

func FuzzDecodeCertificate(f *testing.F) {
	f.Add(remora.Encode(sampleCertificate()))
	f.Add(remora.Encode(&remora.Certificate{}))
	committee := sampleCommittee(f, 1, 1, 1, 1)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := remora.DecodeCertificate(domain, b)
		if err != nil {
			return
		}
		if !bytes.Equal(remora.Encode(c), b) {
			t.Errorf("%x decodes and encodes as %x", b, remora.Encode(c))
		}
		if c.Check(committee) == nil && c.Signers.Count() < 3 {
			t.Errorf("%d signers pass for a quorum of 3", c.Signers.Count())
		}
	})
}
