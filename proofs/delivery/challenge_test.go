package delivery

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/zeebo/blake3"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

func TestOffsetsByHand(t *testing.T) {
	w := wideWorld(t)
	c := w.challenge
	var want []uint64
	for j := range uint64(32) {
		b := binary.BigEndian.AppendUint64(nil, uint64(len("remora/offset/1")))
		b = append(b, "remora/offset/1"...)
		b = append(b, testDomain[:]...)
		b = append(append(b, c.Seed[:]...), c.Claim.ID[:]...)
		h := remora.SumBLAKE3(binary.BigEndian.AppendUint64(b, j))
		m := new(big.Int).SetBytes(h[:16])
		want = append(want, m.Mod(m, new(big.Int).SetUint64(c.Claim.Bytes)).Uint64())
	}
	slices.Sort(want)
	if got := c.Offsets(); !slices.Equal(got, want) {
		t.Errorf("got %d, want %d", got, want)
	}
	for name, other := range map[string]Challenge{
		"chain": {Domain: remora.Domain{1}, Claim: c.Claim, Seed: c.Seed},
		"seed":  {Domain: c.Domain, Claim: c.Claim, Seed: remora.Hash{1}},
		"claim": {Domain: c.Domain, Claim: remora.Claim{ID: remora.Hash{1}, Bytes: c.Claim.Bytes}, Seed: c.Seed},
	} {
		if slices.Equal(other.Offsets(), want) {
			t.Errorf("another %s draws the same", name)
		}
	}
}

// Each offset is an independent draw: over many seeds every tenth of the claim gets a tenth of them.
func TestOffsetsAreUniform(t *testing.T) {
	for _, bytes := range []uint64{1, 10, 12345, 1 << 60, math.MaxUint64} {
		const seeds, parts = 1000, 10
		var hits [parts]int
		c := Challenge{Domain: testDomain, Claim: remora.Claim{Bytes: bytes}}
		for s := range uint64(seeds) {
			binary.BigEndian.PutUint64(c.Seed[:], s)
			offsets := c.Offsets()
			if len(offsets) != remora.ClaimSamples || !slices.IsSorted(offsets) || offsets[len(offsets)-1] >= bytes {
				t.Fatalf("of %d bytes: %d", bytes, offsets)
			}
			for _, o := range offsets {
				hits[min(o/max(bytes/parts, 1), parts-1)]++
			}
		}
		if bytes == 1 {
			continue
		}
		for i, n := range hits {
			if want := seeds * remora.ClaimSamples / parts; n < want*9/10 || n > want*11/10 { // six sigma
				t.Errorf("part %d of %d bytes is drawn %d times, want about %d", i, bytes, n, want)
			}
		}
	}
	if (&Challenge{}).Offsets() != nil {
		t.Error("a claim of no bytes has offsets")
	}
}

func TestOpenings(t *testing.T) {
	for name, w := range map[string]*world{"small": smallWorld(t), "wide": wideWorld(t)} {
		for i := range 20 {
			w.challenge.Seed = remora.SumBLAKE3([]byte{byte(i)})
			o := w.openChallenge(t)
			opened, err := w.challenge.Verify(o)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			all := w.plainReceipts()
			for _, r := range opened {
				if !slices.Contains(all, r) {
					t.Errorf("%s: the receipt of session %d is not the one that was signed", name, r.Session)
				}
			}
			if i == 0 {
				if err := w.verifyOpening(&w.challenge, copyOpening(t, o)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

// The lists of an opening are those that a look-up of every byte in one flat list of all extents gives.
func TestOpeningHoldsTheBytesDrawn(t *testing.T) {
	w := wideWorld(t)
	o := w.openChallenge(t)
	var receipts []remora.Hash
	var extents []remora.OpenedExtent
	var chunks [][]byte
	lastItem, lastExtent, lastChunk := -1, -1, uint64(math.MaxUint64)
	for _, at := range w.challenge.Offsets() {
		item, extent := 0, 0
		for ; at >= w.extents[item][extent].Bytes; extent++ {
			at -= w.extents[item][extent].Bytes
			if extent+1 == len(w.extents[item]) {
				item, extent = item+1, -1
			}
		}
		e := w.extents[item][extent]
		if item != lastItem {
			receipts, lastExtent = append(receipts, w.receipts[item].Receipt.Root), -1
		}
		if extent != lastExtent {
			extents = append(extents, remora.OpenedExtent{Index: uint32(extent), Extent: e})
			lastChunk = math.MaxUint64
		}
		if chunk := e.First + at/1024; chunk != lastChunk {
			data := w.files[e.Content].data
			chunks = append(chunks, data[chunk*1024:min((chunk+1)*1024, uint64(len(data)))])
			lastChunk = chunk
		}
		lastItem, lastExtent = item, extent
	}
	if len(receipts) < 10 || len(extents) < 10 || len(chunks) < 20 {
		t.Fatalf("the claim is too small: %d receipts, %d extents and %d chunks are drawn", len(receipts), len(extents), len(chunks))
	}
	same := slices.EqualFunc(o.Receipts, receipts, func(r remora.OpenedReceipt, root remora.Hash) bool { return r.Root == root }) &&
		slices.EqualFunc(o.Extents, extents, func(a, b remora.OpenedExtent) bool { return a.Index == b.Index && a.Extent == b.Extent }) &&
		slices.EqualFunc(o.Chunks, chunks, func(c remora.OpenedChunk, data []byte) bool { return bytes.Equal(c.Data, data) })
	if !same {
		t.Error("the opening holds something else")
	}
	echo, err := blake3.NewKeyed(w.challenge.Seed[:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := echo.Write(slices.Concat(chunks...)); err != nil {
		t.Fatal(err)
	}
	if want := remora.Hash(echo.Sum(nil)); o.Echo != want {
		t.Errorf("echo %s, want %s", o.Echo, want)
	}
}

// A byte that is drawn twice, or beside another in the same chunk, is opened once.
func TestOneByteIsOpenedOnce(t *testing.T) {
	f := newFile(t, 1, 1)
	w := newWorld(t, []*file{f}, [][]remora.Extent{{f.extentOf(0, 1)}})
	o := w.openChallenge(t)
	if len(o.Receipts) != 1 || len(o.Extents) != 1 || len(o.Chunks) != 1 {
		t.Errorf("%d receipts, %d extents and %d chunks", len(o.Receipts), len(o.Extents), len(o.Chunks))
	}
	if err := w.verifyOpening(&w.challenge, o); err != nil {
		t.Error(err)
	}
}

func TestAChallengeThatContradictsItself(t *testing.T) {
	w := smallWorld(t)
	o := w.openChallenge(t)
	for name, change := range map[string]func(*Challenge){
		"fewer items":   func(c *Challenge) { c.Items = c.Items[1:] },
		"no items":      func(c *Challenge) { c.Items, c.Claim.Count, c.Claim.Bytes = nil, 0, 0 },
		"another sum":   func(c *Challenge) { c.Items[1].Bytes++ },
		"no sum":        func(c *Challenge) { c.Claim.Bytes = 0 },
		"another count": func(c *Challenge) { c.Claim.Count++ },
		"an overflow": func(c *Challenge) {
			c.Items[1].Bytes = math.MaxUint64
			c.Claim.Bytes = 0
			for _, item := range c.Items {
				c.Claim.Bytes += item.Bytes
			}
		},
		"items of 2^64": func(c *Challenge) {
			for i := range c.Items {
				c.Items[i].Bytes = math.MaxUint64
			}
		},
	} {
		c := w.challenge
		c.Items = slices.Clone(c.Items)
		change(&c)
		if _, err := c.Verify(o); !errors.Is(err, remora.ErrCorrupt) || errors.Is(err, ErrOpening) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenRefusesWhatWouldNotVerify(t *testing.T) {
	broken := errors.New("disk on fire")
	cases := map[string]struct {
		change func(*world, *Evidence)
		want   error
	}{
		"a receipt missing": {func(w *world, _ *Evidence) { w.receipts = w.receipts[1:] }, remora.ErrInvalid},
		"another receipt":   {func(w *world, _ *Evidence) { w.receipts[0].Receipt.Epoch++ }, ErrOpening},
		"receipts in another order": {func(w *world, _ *Evidence) {
			w.receipts[0], w.receipts[1] = w.receipts[1], w.receipts[0]
		}, remora.ErrInvalid},
		"receipts with their extents in another order": {func(w *world, _ *Evidence) {
			w.receipts[0], w.receipts[1] = w.receipts[1], w.receipts[0]
			w.extents[0], w.extents[1] = w.extents[1], w.extents[0]
		}, remora.ErrInvalid},
		"as many other extents of as many bytes": {func(w *world, _ *Evidence) {
			for i := range w.extents {
				w.extents[i] = slices.Clone(w.extents[i])
				w.extents[i][0].Content.Root[0]++
			}
		}, remora.ErrInvalid},
		"other extents": {func(w *world, e *Evidence) {
			e.Extents = func(i int) ([]remora.Extent, error) { return w.extents[1-i%2], nil }
		}, remora.ErrInvalid},
		"bad extents": {func(_ *world, e *Evidence) {
			e.Extents = func(int) ([]remora.Extent, error) { return make([]remora.Extent, 1), nil }
		}, remora.ErrInvalid},
		"no extents":   {func(_ *world, e *Evidence) { e.Extents = func(int) ([]remora.Extent, error) { return nil, broken } }, broken},
		"content lost": {func(w *world, _ *Evidence) { clear(w.files) }, remora.ErrNotFound},
		"content damaged": {func(w *world, _ *Evidence) {
			for _, f := range w.files {
				f.data[len(f.data)-1]++
			}
		}, content.ErrMismatch},
		"no aggregate": {func(_ *world, e *Evidence) {
			e.Aggregate = func([]remora.BLSSignature) (s remora.BLSSignature, err error) { return s, broken }
		}, broken},
	}
	for name, tc := range cases {
		w := smallWorld(t)
		e := w.evidenceOf()
		tc.change(w, &e)
		o, err := w.challenge.Open(w.receipts, e)
		if o != nil || !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
