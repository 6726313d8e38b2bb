package delivery

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/proofs/content"
)

var testDomain = remora.NewDomain("dev-delivery", remora.Hash{}, 0)

// file is content with its outboard.
type file struct {
	key            remora.Content
	data, outboard []byte
}

// newFile makes content of size bytes that differs from that of another number in every chunk.
func newFile(tb testing.TB, number, size int) *file {
	tb.Helper()
	f := &file{data: make([]byte, size)}
	for i := range f.data {
		f.data[i] = byte(i%251) ^ byte(i/content.ChunkSize) ^ byte(number*37)
	}
	var outboard bytes.Buffer
	w := content.NewWriter(&outboard)
	if _, err := w.Write(f.data); err != nil {
		tb.Fatal(err)
	}
	root, length, err := w.Finish()
	if err != nil {
		tb.Fatal(err)
	}
	f.key, f.outboard = remora.Content{Root: root, Length: length}, outboard.Bytes()
	return f
}

// extentOf returns a run of f from chunk first; a size of 0 means up to the end.
func (f *file) extentOf(first, size uint64) remora.Extent {
	if size == 0 {
		size = f.key.Length - first*content.ChunkSize
	}
	return remora.Extent{Content: f.key, First: first, Bytes: size}
}

// world is a claim with the evidence of its node and the keys of its clients.
type world struct {
	challenge Challenge
	commit    remora.CommitClaim
	receipts  []remora.SignedReceipt
	extents   [][]remora.Extent // by receipt
	files     map[remora.Content]*file
	secret    []*bls.SecretKey // by receipt
	public    []*bls.PublicKey
}

// newWorld makes a claim of one receipt per list of extents.
func newWorld(tb testing.TB, files []*file, extents [][]remora.Extent) *world {
	tb.Helper()
	w := &world{extents: extents, files: make(map[remora.Content]*file)}
	for _, f := range files {
		w.files[f.key] = f
	}
	node := remora.Address(bytes.Repeat([]byte{7}, len(remora.Address{})))
	w.commit.Epoch = 11
	for i, list := range extents {
		w.addKey(tb, i)
		t, err := NewTally(list)
		if err != nil {
			tb.Fatal(err)
		}
		r := remora.Receipt{
			Session: remora.SessionID(3*i + 5), Node: node, Epoch: w.commit.Epoch,
			Bytes: t.Bytes(), Extents: t.Len(), Root: t.Root(),
		}
		w.receipts = append(w.receipts, w.signReceipt(i, testDomain, r, remora.SchemeBLS))
		w.commit.Items = append(w.commit.Items, remora.ClaimItem{Session: r.Session, Bytes: r.Bytes})
		w.commit.Total += r.Bytes
	}
	w.commit.Receipts = ReceiptsRoot(testDomain, w.plainReceipts())
	w.challenge = challengeOf(tb, node, &w.commit, remora.SumBLAKE3([]byte("seed")))
	return w
}

func (w *world) addKey(tb testing.TB, i int) {
	tb.Helper()
	secret, err := bls.DeriveKey(fmt.Appendf(nil, "a session's seed of thirty-two bytes %8d", i))
	if err != nil {
		tb.Fatal(err)
	}
	public, err := bls.ParsePublicKey(secret.Public())
	if err != nil {
		tb.Fatal(err)
	}
	w.secret, w.public = append(w.secret, secret), append(w.public, public)
}

func (w *world) signReceipt(i int, domain remora.Domain, r remora.Receipt, scheme remora.Scheme) remora.SignedReceipt {
	msg := r.Message(domain, scheme)
	return remora.SignedReceipt{Receipt: r, Signature: w.secret[i].Sign(msg[:])}
}

func (w *world) plainReceipts() []remora.Receipt {
	plain := make([]remora.Receipt, len(w.receipts))
	for i := range w.receipts {
		plain[i] = w.receipts[i].Receipt
	}
	return plain
}

// challengeOf returns the challenge that the chain makes of a commitment.
func challengeOf(tb testing.TB, node remora.Address, c *remora.CommitClaim, seed remora.Hash) Challenge {
	tb.Helper()
	if err := c.Check(); err != nil {
		tb.Fatal(err)
	}
	claim := remora.Claim{
		ID: c.ID(testDomain, node), Node: node, Epoch: c.Epoch,
		Bytes: c.Total, Count: uint32(len(c.Items)), Receipts: c.Receipts,
	}
	return Challenge{Domain: testDomain, Claim: claim, Items: c.Items, Seed: seed}
}

func (w *world) evidenceOf() Evidence {
	return Evidence{
		Extents: func(i int) ([]remora.Extent, error) { return w.extents[i], nil },
		Chunk: func(c remora.Content, index uint64) (content.ChunkProof, error) {
			f, ok := w.files[c]
			if !ok {
				return content.ChunkProof{}, remora.ErrNotFound
			}
			return content.ProveChunk(bytes.NewReader(f.data), bytes.NewReader(f.outboard), c.Length, index)
		},
		Aggregate: bls.Aggregate,
	}
}

func (w *world) openChallenge(tb testing.TB) *remora.OpenClaim {
	tb.Helper()
	o, err := w.challenge.Open(w.receipts, w.evidenceOf())
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// verifyOpening does as the state machine: Verify, then the aggregate under the sessions' keys.
func (w *world) verifyOpening(c *Challenge, o *remora.OpenClaim) error {
	opened, err := c.Verify(o)
	if err != nil {
		return err
	}
	keys, messages := make([]*bls.PublicKey, len(opened)), make([][]byte, len(opened))
	for i := range opened {
		msg := opened[i].Message(c.Domain, remora.SchemeBLS)
		keys[i], messages[i] = w.public[(opened[i].Session-5)/3], msg[:]
	}
	return bls.VerifyDistinct(keys, messages, o.Signature)
}

// copyOpening returns an opening that shares nothing with o.
func copyOpening(tb testing.TB, o *remora.OpenClaim) *remora.OpenClaim {
	tb.Helper()
	c := new(remora.OpenClaim)
	b := remora.Encode(o)
	if err := remora.Decode(b, len(b), c); err != nil {
		tb.Fatal(err)
	}
	return c
}

// smallWorld has three receipts over few chunks: every byte of its opening can be tried.
func smallWorld(tb testing.TB) *world {
	tb.Helper()
	a, b, c := newFile(tb, 1, 300), newFile(tb, 2, 1500), newFile(tb, 3, 2500)
	return newWorld(tb, []*file{a, b, c}, [][]remora.Extent{
		{a.extentOf(0, 0), b.extentOf(1, 0)},
		{c.extentOf(0, 1100), a.extentOf(0, 200), b.extentOf(0, 700)},
		{c.extentOf(2, 0)},
	})
}

// wideWorld has more receipts, extents and chunks than a challenge draws.
func wideWorld(tb testing.TB) *world {
	tb.Helper()
	var files []*file
	for i, size := range []int{1 << 20, 700_001, 16 << 10, 16<<10 + 1, 90_000} {
		files = append(files, newFile(tb, i, size))
	}
	lists := make([][]remora.Extent, 37)
	for i := range lists {
		for j := range 1 + i*i%23 {
			f := files[(i+j)%len(files)]
			first := uint64(i*7+j) % content.Chunks(f.key.Length)
			rest := f.key.Length - first*content.ChunkSize
			lists[i] = append(lists[i], f.extentOf(first, min(rest, 1+uint64(j*4099+i))))
		}
	}
	return newWorld(tb, files, lists)
}
