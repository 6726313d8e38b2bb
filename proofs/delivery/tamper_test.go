package delivery

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/proofs/content"
)

// masks change the lowest and the highest bit of a byte.
var masks = []byte{0x01, 0x80}

// eachByteChanged calls try with every byte of b changed in turn. try must not keep it.
func eachByteChanged(b []byte, try func(at int, changed []byte)) {
	changed := slices.Clone(b)
	for i := range b {
		for _, m := range masks {
			changed[i] = b[i] ^ m
			try(i, changed)
		}
		changed[i] = b[i]
	}
}

// An opening has one form: with any byte changed it does not decode, does not verify, or is not signed.
func TestEveryByteOfAnOpeningMatters(t *testing.T) {
	w := smallWorld(t)
	good := w.openChallenge(t)
	if len(good.Receipts) < 2 || len(good.Extents) < 4 || len(good.Chunks) < 5 {
		t.Fatalf("%d receipts, %d extents and %d chunks are too few", len(good.Receipts), len(good.Extents), len(good.Chunks))
	}
	if err := w.verifyOpening(&w.challenge, good); err != nil {
		t.Fatal(err)
	}
	encoded := remora.Encode(good)
	var undecoded, unverified, unsigned int
	eachByteChanged(encoded, func(at int, changed []byte) {
		o := new(remora.OpenClaim)
		if remora.Decode(changed, len(changed), o) != nil {
			undecoded++
			return
		}
		switch err := w.verifyOpening(&w.challenge, o); {
		case err == nil:
			t.Errorf("byte %d of %d may be %#x instead of %#x", at, len(encoded), changed[at], encoded[at])
		case errors.Is(err, ErrOpening):
			unverified++
		default:
			unsigned++
		}
	})
	t.Logf("%d bytes: %d changes did not decode, %d not verify, %d were not signed", len(encoded), undecoded, unverified, unsigned)
	if undecoded == 0 || unverified == 0 || unsigned == 0 {
		t.Error("one of the three defences was never needed")
	}
}

func TestEveryByteOfASignedReceiptMatters(t *testing.T) {
	w := smallWorld(t)
	verify := func(s *remora.SignedReceipt) error {
		msg := s.Receipt.Message(testDomain, remora.SchemeBLS)
		return bls.Verify(w.public[0], msg[:], s.Signature)
	}
	if err := verify(&w.receipts[0]); err != nil {
		t.Fatal(err)
	}
	encoded := remora.Encode(&w.receipts[0])
	eachByteChanged(encoded, func(at int, changed []byte) {
		var s remora.SignedReceipt
		if remora.Decode(changed, len(changed), &s) == nil && verify(&s) == nil {
			t.Errorf("byte %d of %d may be %#x instead of %#x", at, len(encoded), changed[at], encoded[at])
		}
	})
}

// With any byte of its commitment changed a claim is refused, or is another one that the opening does not open.
func TestEveryByteOfACommitmentMatters(t *testing.T) {
	w := smallWorld(t)
	good := w.openChallenge(t)
	node := w.challenge.Claim.Node
	encoded, others := remora.Encode(&w.commit), 0
	eachByteChanged(encoded, func(at int, changed []byte) {
		var c remora.CommitClaim
		if remora.Decode(changed, len(changed), &c) != nil || c.Check() != nil {
			return
		}
		others++
		if c.ID(testDomain, node) == w.challenge.Claim.ID {
			t.Errorf("byte %d: the changed claim has the same name", at)
		}
		other := challengeOf(t, node, &c, w.challenge.Seed)
		if err := w.verifyOpening(&other, good); err == nil {
			t.Errorf("byte %d of %d may be %#x instead of %#x", at, len(encoded), changed[at], encoded[at])
		}
		o := copyOpening(t, good)
		o.Epoch = c.Epoch
		if err := w.verifyOpening(&other, o); err == nil {
			t.Errorf("byte %d of %d may be %#x instead of %#x in the opening's epoch", at, len(encoded), changed[at], encoded[at])
		}
	})
	if others < 2*remora.HashSize {
		t.Errorf("only %d changes gave another claim", others)
	}
}

func TestListsAreConsumedExactly(t *testing.T) {
	for _, w := range []*world{smallWorld(t), wideWorld(t)} {
		mangleLists(t, w)
	}
}

func mangleLists(t *testing.T, w *world) {
	t.Helper()
	good := w.openChallenge(t)
	refused := func(what string, at int, o *remora.OpenClaim) {
		t.Helper()
		if _, err := w.challenge.Verify(o); !errors.Is(err, ErrOpening) {
			t.Errorf("%s %d: %v", what, at, err)
		}
	}
	for i := range good.Receipts {
		for what, list := range mangleList(good.Receipts, i) {
			o := *good
			o.Receipts = list
			refused("receipt "+what, i, &o)
		}
	}
	for i := range good.Extents {
		for what, list := range mangleList(good.Extents, i) {
			o := *good
			o.Extents = list
			refused("extent "+what, i, &o)
		}
	}
	for i := range good.Chunks {
		for what, list := range mangleList(good.Chunks, i) {
			o := *good
			o.Chunks = list
			refused("chunk "+what, i, &o)
		}
	}
	if _, err := w.challenge.Verify(good); err != nil {
		t.Errorf("the mangling reached the original: %v", err)
	}
}

// mangleList returns the ways in which a list may be wrong at an index.
func mangleList[T any](good []T, i int) map[string][]T {
	var empty T
	all := map[string][]T{
		"missing":  slices.Delete(slices.Clone(good), i, i+1),
		"twice":    slices.Insert(slices.Clone(good), i, good[i]),
		"surplus":  append(slices.Clone(good), good[i]),
		"inserted": slices.Insert(slices.Clone(good), i, empty),
		"emptied":  append(append(slices.Clone(good[:i]), empty), good[i+1:]...),
		"cut off":  good[:i],
		"too many": append(slices.Clone(good), make([]T, 40)...),
	}
	if i > 0 {
		swapped := slices.Clone(good)
		swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
		all["swapped"] = swapped
	}
	return all
}

func TestAnOpeningAnswersOneChallenge(t *testing.T) {
	w := wideWorld(t)
	good := w.openChallenge(t)
	for name, change := range map[string]func(*Challenge){
		"seed":     func(c *Challenge) { c.Seed[31]++ },
		"claim":    func(c *Challenge) { c.Claim.ID[0]++ },
		"chain":    func(c *Challenge) { c.Domain[0] ^= 1 },
		"node":     func(c *Challenge) { c.Claim.Node[3]++ },
		"epoch":    func(c *Challenge) { c.Claim.Epoch++ },
		"receipts": func(c *Challenge) { c.Claim.Receipts[9]++ },
		"session": func(c *Challenge) {
			for i := range c.Items { // whichever is drawn
				c.Items[i].Session++
			}
		},
		"size of receipts": func(c *Challenge) { c.Items[35].Bytes--; c.Items[36].Bytes++ },
	} {
		c := w.challenge
		c.Items = slices.Clone(c.Items)
		change(&c)
		if _, err := c.Verify(good); !errors.Is(err, ErrOpening) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	// In a claim of few chunks another seed draws the same ones: only the echo differs then.
	small := smallWorld(t)
	first := small.openChallenge(t)
	for i := range byte(50) {
		small.challenge.Seed = remora.SumBLAKE3([]byte{i})
		second := small.openChallenge(t)
		if second.Echo == first.Echo {
			t.Fatal("two seeds have the same echo")
		}
		second.Echo = first.Echo
		if _, err := small.challenge.Verify(second); !errors.Is(err, ErrOpening) {
			t.Errorf("the echo of another seed: %v", err)
		}
	}
}

// A client's signature for another chain, node, epoch or scheme does not become a receipt of this claim.
func TestForeignSignatures(t *testing.T) {
	for name, foreign := range map[string]func(w *world, r remora.Receipt) remora.SignedReceipt{
		"chain": func(w *world, r remora.Receipt) remora.SignedReceipt {
			return w.signReceipt(0, remora.Domain{1}, r, remora.SchemeBLS)
		},
		"scheme": func(w *world, r remora.Receipt) remora.SignedReceipt { return w.signReceipt(0, testDomain, r, 2) },
		"key": func(w *world, r remora.Receipt) remora.SignedReceipt {
			return w.signReceipt(1, testDomain, r, remora.SchemeBLS)
		},
		"node": func(w *world, r remora.Receipt) remora.SignedReceipt {
			r.Node[0]++
			return w.signReceipt(0, testDomain, r, remora.SchemeBLS)
		},
		"epoch": func(w *world, r remora.Receipt) remora.SignedReceipt {
			r.Epoch--
			return w.signReceipt(0, testDomain, r, remora.SchemeBLS)
		},
		"session": func(w *world, r remora.Receipt) remora.SignedReceipt {
			r.Session++
			return w.signReceipt(0, testDomain, r, remora.SchemeBLS)
		},
		"sum": func(w *world, r remora.Receipt) remora.SignedReceipt {
			r.Bytes--
			return w.signReceipt(0, testDomain, r, remora.SchemeBLS)
		},
	} {
		w := smallWorld(t)
		w.receipts[0].Signature = foreign(w, w.receipts[0].Receipt).Signature
		o := w.openChallenge(t) // the node cannot know better: it has no keys here
		if err := w.verifyOpening(&w.challenge, o); !errors.Is(err, bls.ErrSignature) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

// A claim of receipts that name another epoch has a root that its own receipts do not reach.
func TestReceiptsOfAnotherEpoch(t *testing.T) {
	w := smallWorld(t)
	for i := range w.receipts {
		r := w.receipts[i].Receipt
		r.Epoch++
		w.receipts[i] = w.signReceipt(i, testDomain, r, remora.SchemeBLS)
	}
	w.commit.Receipts = ReceiptsRoot(testDomain, w.plainReceipts())
	w.challenge = challengeOf(t, w.challenge.Claim.Node, &w.commit, w.challenge.Seed)
	if _, err := w.challenge.Open(w.receipts, w.evidenceOf()); !errors.Is(err, ErrOpening) {
		t.Errorf("open: %v", err)
	}
}

// A chunk of the right content from another place, and the right chunk with the path of another place.
func TestChunksOfAnotherPlace(t *testing.T) {
	f := newFile(t, 1, 64<<10)
	w := newWorld(t, []*file{f}, [][]remora.Extent{{f.extentOf(0, 0)}})
	good := w.openChallenge(t)
	for i := range good.Chunks {
		for index := range content.Chunks(f.key.Length) {
			p, err := content.ProveChunk(bytes.NewReader(f.data), bytes.NewReader(f.outboard), f.key.Length, index)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(p.Data, good.Chunks[i].Data) {
				continue
			}
			for _, c := range []remora.OpenedChunk{
				{Data: p.Data, Path: p.Path},
				{Data: good.Chunks[i].Data, Path: p.Path},
				{Data: p.Data, Path: good.Chunks[i].Path},
			} {
				o := *good
				o.Chunks = slices.Clone(good.Chunks)
				o.Chunks[i] = c
				if _, err := w.challenge.Verify(&o); !errors.Is(err, ErrOpening) || !errors.Is(err, content.ErrMismatch) {
					t.Fatalf("chunk %d instead of the one drawn: %v", index, err)
				}
			}
		}
	}
}

// The drawn byte must be in the extent that is shown for it: a valid proof of a neighbour is none.
func TestExtentsOfAnotherPlace(t *testing.T) {
	w := wideWorld(t)
	good := w.openChallenge(t)
	opened, err := w.challenge.Verify(good)
	if err != nil {
		t.Fatal(err)
	}
	list := w.extents[(opened[0].Session-5)/3]
	tried, offset := 0, uint64(0)
	for i, e := range list {
		other, _ := ProveExtent(list, offset)
		offset += e.Bytes
		if uint32(i) == good.Extents[0].Index {
			continue
		}
		o := *good
		o.Extents = slices.Clone(good.Extents)
		o.Extents[0] = other
		if _, err := w.challenge.Verify(&o); !errors.Is(err, ErrOpening) {
			t.Errorf("extent %d instead of %d: %v", i, good.Extents[0].Index, err)
		}
		tried++
	}
	if tried == 0 {
		t.Error("the first receipt drawn has one extent only")
	}
}

// Neighbours may go on where the one before ended: what leads to the right chunk must still be the extent with the byte.
func TestTheExtentBeforeIsNoOtherForm(t *testing.T) {
	const border = 62 << 10
	f := newFile(t, 1, 64<<10)
	w := newWorld(t, []*file{f}, [][]remora.Extent{{f.extentOf(0, border), f.extentOf(border/1024, 0)}})
	for i := range byte(50) { // until one byte of the second extent is drawn: a second one would ask for another extent
		w.challenge.Seed = remora.SumBLAKE3([]byte{i})
		offsets := w.challenge.Offsets()
		if n := len(offsets); offsets[n-1] < border || offsets[n-2] >= border {
			continue
		}
		o := *w.openChallenge(t)
		o.Extents = []remora.OpenedExtent{o.Extents[0], o.Extents[0]}
		if _, err := w.challenge.Verify(&o); !errors.Is(err, ErrOpening) {
			t.Errorf("the extent before the one drawn: %v", err)
		}
		return
	}
	t.Error("no seed draws one byte of the second extent")
}

// What client and node sign together may be anything: lists of extents that no tally takes are refused here too.
func TestReceiptsThatNoTallyMakes(t *testing.T) {
	f := newFile(t, 1, 1500)
	past := f.extentOf(1, 0)
	past.Bytes++
	many := make([]remora.Extent, remora.MaxExtents+1)
	for i := range many {
		many[i] = f.extentOf(0, 0)
	}
	for name, tc := range map[string]struct {
		extents []remora.Extent
		good    bool
	}{
		"as many as allowed":          {many[1:], true},
		"one more":                    {many, false},
		"up to the end":               {[]remora.Extent{f.extentOf(1, 0)}, true},
		"one byte past the end":       {[]remora.Extent{past}, false},
		"more than there is, at once": {[]remora.Extent{{Content: f.key, Bytes: 1501}}, false},
	} {
		w := newWorld(t, []*file{f}, [][]remora.Extent{{f.extentOf(0, 0)}})
		err := w.challengeFor(t, tc.extents)
		if tc.good != (err == nil) || err != nil && !errors.Is(err, ErrOpening) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// challengeFor opens a claim of one receipt over arbitrary extents, made without a tally, and verifies the opening.
func (w *world) challengeFor(t *testing.T, extents []remora.Extent) error {
	t.Helper()
	level := make([]remora.SumNode, len(extents))
	for i := range extents {
		level[i] = hashExtent(extents[i])
	}
	root, _ := proveLeaf(level, 0, hashSumNode)
	r := w.receipts[0].Receipt
	r.Bytes, r.Extents, r.Root = root.Bytes, uint32(len(extents)), root.Hash
	w.commit.Items[0].Bytes, w.commit.Total = r.Bytes, r.Bytes
	w.commit.Receipts = r.Leaf(testDomain)
	w.challenge = challengeOf(t, r.Node, &w.commit, w.challenge.Seed)
	p := prover{challenge: &w.challenge, evidence: w.evidenceOf(), extents: extents, echo: newEcho(w.challenge.Seed)}
	if err := w.challenge.walkDraws(&lenient{&p}); err != nil {
		t.Fatal(err)
	}
	p.opened.Node, p.opened.Epoch, p.opened.Echo = r.Node, r.Epoch, sumEcho(p.echo)
	p.opened.Receipts = []remora.OpenedReceipt{{Extents: r.Extents, Root: r.Root}}
	_, err := w.challenge.Verify(&p.opened)
	return err
}

// lenient makes openings of receipts that no tally takes.
type lenient struct{ *prover }

func (l *lenient) nextReceipt(int) error { return nil }

// Receipts with numbers of extents that no receipt has.
func TestReceiptsOfNoExtents(t *testing.T) {
	w := smallWorld(t)
	for _, n := range []uint32{0, remora.MaxExtents + 1, 1<<32 - 1} {
		o := copyOpening(t, w.openChallenge(t))
		o.Receipts[0].Extents = n
		if _, err := w.challenge.Verify(o); !errors.Is(err, ErrOpening) {
			t.Errorf("%d extents: %v", n, err)
		}
	}
}
