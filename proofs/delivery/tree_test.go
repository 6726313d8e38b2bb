package delivery

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/remora-network/remora"
)

// The naive trees: RFC 6962 as it is written, with preimages put together by hand.

func naivePreimage(tag string, parts ...any) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(len(tag)))
	b = append(b, tag...)
	for _, p := range parts {
		switch p := p.(type) {
		case uint64:
			b = binary.BigEndian.AppendUint64(b, p)
		case remora.Hash:
			b = append(b, p[:]...)
		}
	}
	return b
}

func largestPower(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

func naiveSum(extents []remora.Extent) (bytes uint64, hash remora.Hash) {
	switch n := len(extents); n {
	case 0:
		return 0, hash
	case 1:
		e := extents[0]
		return e.Bytes, remora.SumBLAKE3(naivePreimage("remora/extent/1", e.Content.Root, e.Content.Length, e.First, e.Bytes))
	default:
		lb, lh := naiveSum(extents[:largestPower(n)])
		rb, rh := naiveSum(extents[largestPower(n):])
		return lb + rb, remora.SumBLAKE3(naivePreimage("remora/extents/1", lb, lh, rb, rh))
	}
}

func naiveReceipts(domain remora.Domain, receipts []remora.Receipt) remora.Hash {
	switch n := len(receipts); n {
	case 0:
		return remora.Hash{}
	case 1:
		return receipts[0].Leaf(domain)
	default:
		l, r := naiveReceipts(domain, receipts[:largestPower(n)]), naiveReceipts(domain, receipts[largestPower(n):])
		return remora.SumBLAKE3(naivePreimage("remora/receipts/1", l, r))
	}
}

// naiveDepth is how many nodes stand beside the way from a leaf to the root.
func naiveDepth(index, n int) int {
	if n == 1 {
		return 0
	}
	if k := largestPower(n); index < k {
		return 1 + naiveDepth(index, k)
	} else {
		return 1 + naiveDepth(index-k, n-k)
	}
}

func someExtents(rng *rand.Rand, n int) []remora.Extent {
	extents := make([]remora.Extent, n)
	for i := range extents {
		c := remora.Content{Length: 1 + rng.Uint64N(1<<30)}
		binary.BigEndian.PutUint64(c.Root[:], rng.Uint64())
		first := rng.Uint64N((c.Length + 1023) / 1024)
		extents[i] = remora.Extent{Content: c, First: first, Bytes: 1 + rng.Uint64N(min(c.Length-first*1024, 1<<20))}
	}
	return extents
}

func someReceipts(rng *rand.Rand, n int) []remora.Receipt {
	receipts := make([]remora.Receipt, n)
	for i := range receipts {
		receipts[i] = remora.Receipt{Session: remora.SessionID(i), Epoch: 2, Bytes: 1 + rng.Uint64N(1<<40), Extents: 1 + rng.Uint32N(99)}
		binary.BigEndian.PutUint64(receipts[i].Root[:], rng.Uint64())
	}
	return receipts
}

func TestTreesMatchTheNaiveOnes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{1000, 4095, 4096, 4097}
	for n := range 258 {
		sizes = append(sizes, n)
	}
	for range 20 {
		sizes = append(sizes, rng.IntN(3000))
	}
	for _, n := range sizes {
		extents, receipts := someExtents(rng, n), someReceipts(rng, n)
		tally, err := NewTally(extents)
		if err != nil {
			t.Fatal(err)
		}
		bytes, root := naiveSum(extents)
		if tally.Bytes() != bytes || tally.Root() != root || int(tally.Len()) != n || !slices.Equal(tally.Extents(), extents) {
			t.Errorf("%d extents: tally %d %s, want %d %s", n, tally.Bytes(), tally.Root(), bytes, root)
		}
		if got, want := ReceiptsRoot(testDomain, receipts), naiveReceipts(testDomain, receipts); got != want {
			t.Errorf("%d receipts: root %s, want %s", n, got, want)
		}
	}
}

func TestWayHasTheDepthOfTheTree(t *testing.T) {
	for n := 1; n < 300; n++ {
		for i := range n {
			if length, _ := shapeOfPath(uint64(i), uint64(n)); length != naiveDepth(i, n) {
				t.Fatalf("leaf %d of %d: %d beside its way, want %d", i, n, length, naiveDepth(i, n))
			}
		}
	}
	if length, _ := shapeOfPath(0, math.MaxUint32); length != 32 {
		t.Errorf("the largest count has a path of %d", length)
	}
}

func TestEveryExtentIsProvable(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 70 {
		extents := someExtents(rng, n)
		total, root := naiveSum(extents)
		before := uint64(0)
		for i, e := range extents {
			for _, offset := range []uint64{before, before + e.Bytes/2, before + e.Bytes - 1} {
				o, start := ProveExtent(extents, offset)
				if int(o.Index) != i || o.Extent != e || start != before {
					t.Fatalf("byte %d of %d extents: extent %d from %d on, want %d from %d on", offset, n, o.Index, start, i, before)
				}
				if got, err := verifyExtent(root, total, uint32(n), &o); err != nil || got != before {
					t.Fatalf("extent %d of %d: from %d on, want %d: %v", i, n, got, before, err)
				}
			}
			before += e.Bytes
		}
		for _, offset := range []uint64{total, total + 1, math.MaxUint64} {
			if o, start := ProveExtent(extents, offset); o.Extent.Bytes != 0 || o.Path != nil || start != 0 {
				t.Fatalf("byte %d of %d is in extent %d", offset, total, o.Index)
			}
		}
	}
}

func TestExtentProofsAreRefused(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for n := 1; n < 40; n++ {
		extents := someExtents(rng, n)
		total, root := naiveSum(extents)
		before := uint64(0)
		for i, e := range extents {
			good, _ := ProveExtent(extents, before)
			before += e.Bytes
			refuse := func(what string, root remora.Hash, total uint64, count uint32, change func(*remora.OpenedExtent)) {
				t.Helper()
				o := good
				o.Path = slices.Clone(good.Path)
				change(&o)
				if _, err := verifyExtent(root, total, count, &o); !errors.Is(err, remora.ErrInvalid) {
					t.Fatalf("extent %d of %d, %s: %v", i, n, what, err)
				}
			}
			same := func(*remora.OpenedExtent) {}
			refuse("another root", remora.Hash{1}, total, uint32(n), same)
			refuse("another total", root, total+1, uint32(n), same)
			refuse("no total", root, 0, uint32(n), same)
			refuse("no extents", root, total, 0, same)
			for j := range uint32(n + 2) {
				if j != uint32(i) {
					refuse(fmt.Sprint("as ", j), root, total, uint32(n), func(o *remora.OpenedExtent) { o.Index = j })
				}
			}
			refuse("a longer path", root, total, uint32(n), func(o *remora.OpenedExtent) { o.Path = append(o.Path, remora.SumNode{}) })
			refuse("no such content", root, total, uint32(n), func(o *remora.OpenedExtent) { o.Extent.Bytes = 1 << 50 })
			refuse("more bytes", root, total, uint32(n), func(o *remora.OpenedExtent) { o.Extent.Bytes++ })
			refuse("another start", root, total, uint32(n), func(o *remora.OpenedExtent) { o.Extent.First++ })
			refuse("another content", root, total, uint32(n), func(o *remora.OpenedExtent) { o.Extent.Content.Root[31]++ })
			for k := range good.Path {
				refuse("a shorter path", root, total, uint32(n), func(o *remora.OpenedExtent) { o.Path = slices.Delete(o.Path, k, k+1) })
				refuse("another hash", root, total, uint32(n), func(o *remora.OpenedExtent) { o.Path[k].Hash[0]++ })
				refuse("another sum", root, total, uint32(n), func(o *remora.OpenedExtent) { o.Path[k].Bytes++ })
				refuse("an overflow", root, total, uint32(n), func(o *remora.OpenedExtent) { o.Path[k].Bytes = math.MaxUint64 })
			}
		}
	}
}

// A client can sign the root of a tree whose sums overflow: no extent of it may verify.
func TestSumsThatOverflowAreRefused(t *testing.T) {
	e := someExtents(rand.New(rand.NewPCG(7, 8)), 1)[0]
	leaf := hashExtent(e)
	sibling := remora.SumNode{Bytes: -e.Bytes + 10, Hash: remora.Hash{9}} // together they have 10 bytes modulo 2^64
	for i, root := range []remora.SumNode{hashSumNode(leaf, sibling), hashSumNode(sibling, leaf)} {
		o := remora.OpenedExtent{Index: uint32(i), Extent: e, Path: []remora.SumNode{sibling}}
		if root.Bytes != 10 {
			t.Fatal("the sum does not wrap around")
		}
		if _, err := verifyExtent(root.Hash, 10, 2, &o); err == nil {
			t.Errorf("extent %d of an overflowing tree verifies", i)
		}
	}
}

func TestEveryReceiptIsProvable(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for n := uint32(1); n < 70; n++ {
		receipts := someReceipts(rng, int(n))
		root := naiveReceipts(testDomain, receipts)
		var leaves []remora.Hash
		for _, r := range receipts {
			leaves = append(leaves, r.Leaf(testDomain))
		}
		for i, leaf := range leaves {
			i := uint32(i)
			_, path := proveLeaf(slices.Clone(leaves), uint64(i), hashReceiptNode)
			if err := VerifyReceipt(root, leaf, path, i, n); err != nil {
				t.Fatalf("receipt %d of %d: %v", i, n, err)
			}
			for j := range n + 2 {
				if j != i && VerifyReceipt(root, leaf, path, j, n) == nil {
					t.Fatalf("receipt %d of %d verifies as %d", i, n, j)
				}
			}
			bad := []struct {
				root, leaf remora.Hash
				path       []remora.Hash
			}{
				{remora.Hash{1}, leaf, path},
				{root, receipts[i].Leaf(remora.Domain{2}), path},
				{root, leaf, append(slices.Clone(path), remora.Hash{})},
				{root, leaf, append([]remora.Hash{{}}, path...)},
			}
			for k := range path {
				other := slices.Clone(path)
				other[k][5] ^= 4
				bad = append(bad, struct {
					root, leaf remora.Hash
					path       []remora.Hash
				}{root, leaf, other})
			}
			for k, b := range bad {
				if err := VerifyReceipt(b.root, b.leaf, b.path, i, n); !errors.Is(err, remora.ErrInvalid) {
					t.Fatalf("receipt %d of %d, change %d: %v", i, n, k, err)
				}
			}
		}
	}
}

// What a node of a tree hashes must not be the preimage of a leaf of it, or of the other tree.
func TestPreimagesAreKeptApart(t *testing.T) {
	var e remora.Extent
	var h remora.Hash
	all := map[remora.Hash]string{}
	for name, hash := range map[string]remora.Hash{
		"extent": hashExtent(e).Hash, "extents": hashSumNode(remora.SumNode{}, remora.SumNode{}).Hash,
		"receipts": hashReceiptNode(h, h), "receipt": (&remora.Receipt{}).Leaf(testDomain),
	} {
		if other, taken := all[hash]; taken {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		all[hash] = name
	}
}
