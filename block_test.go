package remora_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/remora-network/remora"
)

func TestBlockRoundTrip(t *testing.T) {
	block := sampleBlock()
	raw := remora.Encode(block)
	got, err := remora.DecodeBlock(raw, len(raw))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(remora.Encode(got), raw) || got.Header.Hash() != block.Header.Hash() {
		t.Error("the block changes on its way")
	}
	if got.DAG[0].Digest() != sampleHeader().Digest() {
		t.Error("the headers of a decoded block are not sealed")
	}
	if sub := got.SubDAG(sampleHash(1)); sub.Digest(domain) != (&remora.SubDAG{Headers: block.DAG, Previous: sampleHash(1)}).Digest(domain) {
		t.Error("the sub-DAG changes on its way")
	}
	if _, err := remora.DecodeBlock(raw, len(raw)-1); !errors.Is(err, remora.ErrTooLarge) {
		t.Errorf("DecodeBlock over its limit = %v, want ErrTooLarge", err)
	}
	certified := &remora.CertifiedBlock{
		Block: *block, Batches: [][]byte{sampleBatch().Raw},
		Certificate: &remora.BlockCertificate{Height: 9, Hash: block.Header.Hash(), Signers: remora.NewBitmap(4, 0, 1, 2)},
	}
	for _, certificate := range []*remora.BlockCertificate{certified.Certificate, nil} {
		certified.Certificate = certificate
		raw := remora.Encode(certified)
		got, err := remora.DecodeCertifiedBlock(raw, len(raw))
		if err != nil || !bytes.Equal(remora.Encode(got), raw) || (got.Certificate == nil) != (certificate == nil) {
			t.Errorf("a certified block with certificate %v changes on its way: %v", certificate != nil, err)
		}
		if got != nil && got.Block.DAG[1].Digest() != sampleHeader().Digest() {
			t.Error("the headers of a decoded certified block are not sealed")
		}
	}
}

// TestDecodeBlockRefuses: a block without headers, or with a null header, would crash code that walks it.
func TestDecodeBlockRefuses(t *testing.T) {
	for name, dag := range map[string][]*remora.Header{
		"no headers":  nil,
		"null header": {sampleHeader(), nil},
	} {
		block := sampleBlock()
		block.DAG = dag
		raw := remora.Encode(block)
		if _, err := remora.DecodeBlock(raw, 1<<20); !errors.Is(err, remora.ErrMalformed) {
			t.Errorf("%s: DecodeBlock = %v, want ErrMalformed", name, err)
		}
		raw = remora.Encode(&remora.CertifiedBlock{Block: *block})
		if _, err := remora.DecodeCertifiedBlock(raw, 1<<20); !errors.Is(err, remora.ErrMalformed) {
			t.Errorf("%s: DecodeCertifiedBlock = %v, want ErrMalformed", name, err)
		}
	}
	if _, err := remora.DecodeBlock([]byte{0x80}, 1<<20); !errors.Is(err, remora.ErrMalformed) {
		t.Errorf("DecodeBlock of an empty list = %v, want ErrMalformed", err)
	}
	if _, err := remora.DecodeCertifiedBlock([]byte{0x80}, 1<<20); !errors.Is(err, remora.ErrMalformed) {
		t.Errorf("DecodeCertifiedBlock of an empty list = %v, want ErrMalformed", err)
	}
}

// TestRoots: roots bind order, number, chain and kind.
func TestRoots(t *testing.T) {
	a, b := sampleHash(1), sampleHash(2)
	roots := []remora.Hash{
		remora.TxRoot(domain, nil), remora.TxRoot(domain, []remora.Hash{a}), remora.TxRoot(domain, []remora.Hash{a, b}),
		remora.TxRoot(domain, []remora.Hash{b, a}), remora.TxRoot(otherDomain, []remora.Hash{a}),
		remora.ResultsRoot(domain, nil), remora.ResultsRoot(domain, []byte{0}), remora.ResultsRoot(domain, []byte{0, 0}),
		remora.ResultsRoot(domain, []byte{1, 0}), remora.ResultsRoot(otherDomain, []byte{0}),
	}
	slices.SortFunc(roots, func(x, y remora.Hash) int { return bytes.Compare(x[:], y[:]) })
	if distinct := slices.Compact(slices.Clone(roots)); len(distinct) != len(roots) {
		t.Errorf("%d roots of %d are distinct", len(distinct), len(roots))
	}
}

func TestSubDAG(t *testing.T) {
	first, last := sampleHeader(), sampleHeader()
	last.Round++
	last.Seal(domain)
	sub := remora.SubDAG{Headers: []*remora.Header{first, last}, Previous: sampleHash(1)}
	if sub.Leader() != last {
		t.Error("the leader is the last header")
	}
	for name, other := range map[string]remora.SubDAG{
		"order":    {Headers: []*remora.Header{last, first}, Previous: sampleHash(1)},
		"previous": {Headers: sub.Headers, Previous: sampleHash(2)},
		"number":   {Headers: sub.Headers[1:], Previous: sampleHash(1)},
	} {
		if other.Digest(domain) == sub.Digest(domain) {
			t.Errorf("the digest does not cover: %s", name)
		}
	}
	if sub.Digest(otherDomain) == sub.Digest(domain) {
		t.Error("the digest does not cover the chain")
	}
	previous := sampleHash(1)
	if remora.OrderKey(previous, first.Digest()) == remora.OrderKey(sampleHash(2), first.Digest()) || previous != sampleHash(1) {
		t.Error("the order does not depend on the sub-DAG before")
	}
}

func FuzzDecodeBlock(f *testing.F) {
	f.Add(remora.Encode(sampleBlock()))
	f.Add(remora.Encode(&remora.CertifiedBlock{Block: *sampleBlock(), Batches: [][]byte{{1}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if block, err := remora.DecodeBlock(b, 1<<16); err == nil {
			if !bytes.Equal(remora.Encode(block), b) || block.DAG[len(block.DAG)-1].Digest().IsZero() {
				t.Errorf("%x decodes to another block", b)
			}
		}
		if block, err := remora.DecodeCertifiedBlock(b, 1<<16); err == nil && !bytes.Equal(remora.Encode(block), b) {
			t.Errorf("%x decodes to another certified block", b)
		}
	})
}
