package delivery

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/testdata/goldentest"
)

// vectors is the folder shared with other implementations.
const vectors = "../../testdata/delivery"

// sumVector describes the sum tree over the first extents of the list of its file.
type sumVector struct {
	Extents int           `json:"extents"`
	Bytes   uint64        `json:"bytes"`
	Root    remora.Hash   `json:"root"`
	Proofs  []pathsVector `json:"proofs"`
}

type pathsVector struct {
	Index uint32        `json:"index"`
	Start uint64        `json:"start"` // bytes before the extent
	Sums  []uint64      `json:"sums"`  // of the path, the extent's own neighbour first
	Path  []remora.Hash `json:"path"`
}

type extentVector struct {
	Root   remora.Hash `json:"content_root"`
	Length uint64      `json:"content_length"`
	First  uint64      `json:"first"`
	Bytes  uint64      `json:"bytes"`
}

type tallyFile struct {
	Extents []extentVector `json:"extents"`
	Trees   []sumVector    `json:"trees"`
}

type receiptVector struct {
	Session remora.SessionID `json:"session"`
	Node    string           `json:"node"`
	Epoch   remora.Epoch     `json:"epoch"`
	Bytes   uint64           `json:"bytes"`
	Extents uint32           `json:"extents"`
	Root    remora.Hash      `json:"root"`
	Scheme  remora.Scheme    `json:"scheme"`
	Message remora.Hash      `json:"message"`
	Leaf    remora.Hash      `json:"leaf"`
	Receipt string           `json:"encoding"`
}

type receiptFile struct {
	Domain   remora.Domain   `json:"domain"`
	Receipts []receiptVector `json:"receipts"`
	Roots    []remora.Hash   `json:"roots"` // over the first 1, 2, 3, … receipts
}

type offsetVector struct {
	Domain  remora.Domain `json:"domain"`
	Seed    remora.Hash   `json:"seed"`
	Claim   remora.Hash   `json:"claim_id"`
	Bytes   uint64        `json:"bytes"`
	Offsets []uint64      `json:"offsets"`
}

type openingVector struct {
	Domain     remora.Domain `json:"domain"`
	Node       string        `json:"node"`
	Seed       remora.Hash   `json:"seed"`
	Commitment string        `json:"commitment"` // CBOR
	Claim      remora.Hash   `json:"claim_id"`
	Keys       []string      `json:"keys"`    // of the items' sessions
	Opening    string        `json:"opening"` // CBOR
}

// TestVectors compares what this package makes of fixed inputs with the files that other implementations check against.
func TestVectors(t *testing.T) {
	extents := vectorExtents()
	tallies := tallyFile{}
	for _, e := range extents {
		tallies.Extents = append(tallies.Extents, extentVector{e.Content.Root, e.Content.Length, e.First, e.Bytes})
	}
	for _, n := range []int{0, 1, 2, 3, 4, 5, 7, 8, 9} {
		tallies.Trees = append(tallies.Trees, newSumVector(t, extents[:n]))
	}
	goldentest.CompareJSON(t, filepath.Join(vectors, "tallies.json"), tallies)
	goldentest.CompareJSON(t, filepath.Join(vectors, "receipts.json"), newReceiptFile(t, extents))
	goldentest.CompareJSON(t, filepath.Join(vectors, "offsets.json"), newOffsetVectors())
	w := smallWorld(t)
	node := w.challenge.Claim.Node
	opening := openingVector{
		Domain: testDomain, Node: hex.EncodeToString(node[:]), Seed: w.challenge.Seed, Claim: w.challenge.Claim.ID,
		Commitment: hex.EncodeToString(remora.Encode(&w.commit)), Opening: hex.EncodeToString(remora.Encode(w.openChallenge(t))),
	}
	for _, k := range w.public {
		raw := k.Bytes()
		opening.Keys = append(opening.Keys, hex.EncodeToString(raw[:]))
	}
	goldentest.CompareJSON(t, filepath.Join(vectors, "opening.json"), opening)
}

// vectorExtents are fixed: no generator that another language lacks.
func vectorExtents() []remora.Extent {
	extents := make([]remora.Extent, 9)
	for i := range extents {
		c := remora.Content{Root: remora.SumBLAKE3([]byte{byte(i / 2)}), Length: uint64(i/2+1) * 100_000}
		extents[i] = remora.Extent{Content: c, First: uint64(10 * i), Bytes: uint64(1000*i + 1)}
	}
	return extents
}

func newSumVector(t *testing.T, extents []remora.Extent) sumVector {
	t.Helper()
	tally, err := NewTally(extents)
	if err != nil {
		t.Fatal(err)
	}
	v := sumVector{Extents: len(extents), Bytes: tally.Bytes(), Root: tally.Root(), Proofs: []pathsVector{}}
	before := uint64(0)
	for _, e := range extents {
		o, start := ProveExtent(extents, before)
		before += e.Bytes
		p := pathsVector{Index: o.Index, Start: start, Sums: []uint64{}, Path: []remora.Hash{}}
		for _, n := range o.Path {
			p.Sums, p.Path = append(p.Sums, n.Bytes), append(p.Path, n.Hash)
		}
		v.Proofs = append(v.Proofs, p)
	}
	return v
}

func newReceiptFile(t *testing.T, extents []remora.Extent) receiptFile {
	t.Helper()
	f := receiptFile{Domain: testDomain}
	var plain []remora.Receipt
	for i := range extents {
		tally, err := NewTally(extents[:i+1])
		if err != nil {
			t.Fatal(err)
		}
		r := remora.Receipt{Session: remora.SessionID(i * i), Epoch: 7, Bytes: tally.Bytes(), Extents: tally.Len(), Root: tally.Root()}
		for j := range r.Node {
			r.Node[j] = byte(j)
		}
		plain = append(plain, r)
		f.Receipts = append(f.Receipts, receiptVector{
			r.Session, hex.EncodeToString(r.Node[:]), r.Epoch, r.Bytes, r.Extents, r.Root, remora.SchemeBLS,
			r.Message(testDomain, remora.SchemeBLS), r.Leaf(testDomain), hex.EncodeToString(remora.Encode(&r)),
		})
		f.Roots = append(f.Roots, ReceiptsRoot(testDomain, plain))
	}
	return f
}

func newOffsetVectors() (all []offsetVector) {
	for _, bytes := range []uint64{1, 5783, 1 << 32, 1<<60 - 1} {
		c := Challenge{Domain: testDomain, Seed: remora.SumBLAKE3([]byte("seed"))}
		c.Claim.ID, c.Claim.Bytes = remora.SumBLAKE3([]byte("claim")), bytes
		all = append(all, offsetVector{c.Domain, c.Seed, c.Claim.ID, bytes, c.Offsets()})
	}
	return all
}

// TestVectorsVerify reads the opening back, as another implementation would.
func TestVectorsVerify(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(vectors, "opening.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v openingVector
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	var commit remora.CommitClaim
	if err := remora.Decode(decodeHex(t, v.Commitment), maxFuzz, &commit); err != nil {
		t.Fatal(err)
	}
	var o remora.OpenClaim
	if err := remora.Decode(decodeHex(t, v.Opening), maxFuzz, &o); err != nil {
		t.Fatal(err)
	}
	w := new(world)
	for _, k := range v.Keys {
		public, err := bls.ParsePublicKey(remora.BLSPublicKey(decodeHex(t, k)))
		if err != nil {
			t.Fatal(err)
		}
		w.public = append(w.public, public)
	}
	c := challengeOf(t, remora.Address(decodeHex(t, v.Node)), &commit, v.Seed)
	if c.Claim.ID != v.Claim || c.Domain != v.Domain {
		t.Errorf("claim %s of chain %s, want %s of %s", c.Claim.ID, c.Domain, v.Claim, v.Domain)
	}
	if err := w.verifyOpening(&c, &o); err != nil {
		t.Error(err)
	}
}

func decodeHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
