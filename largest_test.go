package remora_test

import (
	"bytes"
	"slices"
	"sort"
	"testing"

	"github.com/remora-network/remora"
)

const most = 1<<64 - 1

// largestHeader fills a header to its limits for a committee of n.
func largestHeader(n int) *remora.Header {
	h := &remora.Header{Term: most, Author: remora.Authority(n - 1), Round: most, CreatedAt: most}
	h.Payload = payload(h.Author, remora.MaxHeaderBatches)
	for i := range h.Payload {
		ref := &h.Payload[i]
		ref.Worker, ref.Epoch, ref.Seq, ref.Bytes, ref.Count, ref.Weight = 65535, most, most, 1<<32-1, 1<<32-1, most
		if i < remora.MaxHeaderAdopted {
			ref.Author = 0
		}
	}
	if n > 1 {
		h.Proofs = make([]remora.Signature, remora.MaxHeaderAdopted)
	}
	for a := range remora.Authority(n) {
		h.Parents = append(h.Parents, remora.Parent{Author: a, Digest: sampleHash(byte(a))})
	}
	for range remora.MaxHeaderShares {
		h.Shares = append(h.Shares, remora.Share{Height: most})
	}
	h.Contributions = []remora.Contribution{{Step: most}}
	return h
}

func equalCommittee(t testing.TB, n int) *remora.Committee {
	return sampleCommittee(t, slices.Repeat([]remora.Amount{1}, n)...)
}

// largestParams returns the deepest collection that a genesis of n members may have, with the largest blocks.
func largestParams(t *testing.T, n int) remora.Params {
	p := remora.Params{BlockWeight: remora.MaxBlockWeight}
	p.GCDepth = remora.Round(sort.Search(1000, func(depth int) bool {
		p.GCDepth = remora.Round(depth + 1)
		return depth+1 >= 4 && !genesisAllows(p, n)
	}))
	if p.GCDepth < 50 {
		t.Fatalf("a genesis of %d members allows a gc_depth of %d", n, p.GCDepth)
	}
	return p
}

// genesisAllows reports whether Check accepts these parameters for n members.
func genesisAllows(p remora.Params, n int) bool {
	g := sampleGenesis()
	g.Params.BlockWeight, g.Params.GCDepth = p.BlockWeight, p.GCDepth
	template := g.Validators[0]
	g.Validators = nil
	for i, m := range sampleMembers(slices.Repeat([]remora.Amount{1}, n)...) {
		v := template
		v.Node.Name, v.Node.Consensus, v.Node.Beacon, v.Node.Header, v.Node.PeerID = m.Name, m.Consensus, m.Beacon, m.Header, m.PeerID
		v.Account[0], v.Account[1] = byte(i>>8), byte(i)
		g.Validators = append(g.Validators, v)
	}
	return g.Check() == nil
}

// TestLargestValues fills headers, certificates and blocks to what committees of every size may make: all can be decoded.
func TestLargestValues(t *testing.T) {
	for _, n := range []int{1, 2, 4, 10, 100, remora.MaxCommittee} {
		h := largestHeader(n)
		c := equalCommittee(t, n)
		c.Term = h.Term
		if err := h.Check(c); err != nil {
			t.Fatal(err)
		}
		raw := remora.Encode(h)
		got, err := remora.DecodeHeader(domain, raw)
		if err != nil || !bytes.Equal(remora.Encode(got), raw) {
			t.Fatalf("%d members: a header of %d bytes: %v", n, len(raw), err)
		}
		if bound := remora.LargestHeader(n); len(raw) > bound || bound > remora.MaxHeaderBytes {
			t.Errorf("%d members: a header of %d bytes, the bound is %d of %d", n, len(raw), bound, remora.MaxHeaderBytes)
		}
		p := largestParams(t, n)
		headers := int(p.GCDepth) * n
		block := largestBlock(&p, []*remora.Header{h})
		if size := len(remora.Encode(block)) + (headers-1)*len(raw); uint64(size) > remora.LargestBlock(&p, n) || size > remora.MaxBlockBytes {
			t.Errorf("%d members, gc_depth %d: a block has %d bytes, the bound is %d", n, p.GCDepth, size, remora.LargestBlock(&p, n))
		}
		if headers > remora.MaxBlockHeaders {
			t.Errorf("%d members, gc_depth %d: %d headers", n, p.GCDepth, headers)
		}
	}
}

// largestBlock fills a block with these headers to the limits of its parameters.
func largestBlock(p *remora.Params, dag []*remora.Header) *remora.Block {
	b := &remora.Block{DAG: dag, Batches: make([]remora.Hash, remora.MaxBlockBatches), Results: make([]byte, p.BlockWeight/remora.MinTxWeight)}
	b.Header = remora.BlockHeader{
		Version: 65535, Domain: domain, Height: most, Epoch: most, Term: most, Time: most,
		Beacon: remora.Seed{Step: most},
	}
	return b
}

// TestBlockOfMostHeaders decodes a block with as many headers and batches as there may be, alone and certified.
func TestBlockOfMostHeaders(t *testing.T) {
	p := largestParams(t, 4)
	small := &remora.Header{Term: 1}
	block := largestBlock(&p, slices.Repeat([]*remora.Header{small}, remora.MaxBlockHeaders))
	raw := remora.Encode(block)
	got, err := remora.DecodeBlock(raw, remora.MaxBlockBytes)
	if err != nil || len(got.DAG) != remora.MaxBlockHeaders || len(got.Batches) != remora.MaxBlockBatches {
		t.Fatalf("a block of %d bytes: %v", len(raw), err)
	}
	certified := &remora.CertifiedBlock{
		Block: *block, Batches: make([][]byte, remora.MaxBlockBatches),
		Certificate: &remora.BlockCertificate{Height: most, Signers: remora.NewBitmap(remora.MaxCommittee)},
	}
	if _, err := remora.DecodeCertifiedBlock(remora.Encode(certified), remora.MaxBlockBytes); err != nil {
		t.Error(err)
	}
}

// TestDeepestCollection refuses a collection whose blocks could not be decoded, by their headers' number or bytes.
func TestDeepestCollection(t *testing.T) {
	for n, legal := range map[int]remora.Round{4: 1000, 10: 1000, remora.MaxCommittee: 50} {
		if !genesisAllows(remora.Params{GCDepth: legal, BlockWeight: remora.MaxBlockWeight}, n) {
			t.Errorf("%d members: gc_depth %d is refused", n, legal)
		}
	}
	for n, deep := range map[int]remora.Round{100: 650, remora.MaxCommittee: 70} {
		if genesisAllows(remora.Params{GCDepth: deep, BlockWeight: remora.MaxBlockWeight}, n) {
			t.Errorf("%d members: gc_depth %d is legal", n, deep)
		}
	}
}
