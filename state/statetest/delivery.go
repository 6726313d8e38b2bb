package statetest

import (
	"bytes"
	"cmp"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
	proof "github.com/remora-network/remora/proofs/delivery"
	"github.com/remora-network/remora/state/delivery"
)

// File is content in memory, with the outboard that proves its chunks.
type File struct {
	Key            remora.Content
	data, outboard []byte
}

// NewFile returns content of the given size, derived from its name.
func NewFile(tb testing.TB, name string, size int) *File {
	tb.Helper()
	f := &File{data: make([]byte, size)}
	for i := 0; i < size; i += content.ChunkSize {
		fillHashes(f.data[i:min(size, i+content.ChunkSize)], "content", []byte(name), []byte{byte(i >> 10), byte(i >> 18)})
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
	f.Key, f.outboard = remora.Content{Root: root, Length: length}, outboard.Bytes()
	return f
}

// Chunk proves a chunk.
func (f *File) Chunk(index uint64) (content.ChunkProof, error) {
	return content.ProveChunk(bytes.NewReader(f.data), bytes.NewReader(f.outboard), f.Key.Length, index)
}

// Part is a run of a file's bytes that a node delivered.
type Part struct {
	File  *File
	First uint64 // number of the chunk that it begins with
	Bytes uint64
}

// Delivered is the delivery for which the client of a session signs one receipt.
type Delivered struct {
	Session remora.SessionID
	Key     string // name of the session's key
	Parts   []Part
}

// SessionKey returns the key that a name stands for.
func SessionKey(name string) (key remora.BLSPublicKey) {
	fillHashes(key[:], "session key", []byte(name), nil)
	return key
}

// Session returns a valid session whose receipts the named key signs.
func Session(key string, number uint64, expiry remora.Epoch, allotments ...remora.Allotment) remora.OpenSession {
	slices.SortFunc(allotments, func(a, b remora.Allotment) int { return bytes.Compare(a.Node[:], b.Node[:]) })
	pk := SessionKey(key)
	return remora.OpenSession{
		Number: number, Scheme: remora.SchemeBLS, Key: pk, Possession: Prove(pk), Expiry: expiry, Allotments: allotments,
	}
}

// Allot lets the node of a named account deliver bytes.
func Allot(node string, bytes uint64) remora.Allotment {
	return remora.Allotment{Node: Address(node), Bytes: bytes}
}

// Claim is a node's claim with the receipts and contents that open it.
type Claim struct {
	Commit   remora.CommitClaim
	Node     remora.Address
	Receipts []remora.SignedReceipt // in the order of the items

	domain  remora.Domain
	extents [][]remora.Extent
	files   map[remora.Content]*File
}

// NewClaim returns the claim of a named node for an epoch, with its clients' receipts.
func NewClaim(tb testing.TB, domain remora.Domain, node string, epoch remora.Epoch, list ...Delivered) *Claim {
	tb.Helper()
	c := &Claim{Node: Address(node), domain: domain, files: make(map[remora.Content]*File)}
	list = slices.SortedFunc(slices.Values(list), func(a, b Delivered) int { return cmp.Compare(a.Session, b.Session) })
	var receipts []remora.Receipt
	for _, d := range list {
		t := new(proof.Tally)
		for _, p := range d.Parts {
			c.files[p.File.Key] = p.File
			if err := t.Add(remora.Extent{Content: p.File.Key, First: p.First, Bytes: p.Bytes}); err != nil {
				tb.Fatal(err)
			}
		}
		r := remora.Receipt{Session: d.Session, Node: c.Node, Epoch: epoch, Bytes: t.Bytes(), Extents: t.Len(), Root: t.Root()}
		message := r.Message(domain, remora.SchemeBLS)
		receipts = append(receipts, r)
		c.Receipts = append(c.Receipts, remora.SignedReceipt{Receipt: r, Signature: SignBLS(SessionKey(d.Key), message[:])})
		c.extents = append(c.extents, t.Extents())
	}
	c.Commit = proof.NewCommitClaim(domain, epoch, receipts)
	return c
}

// Challenge returns the challenge of the claim by a seed.
func (c *Claim) Challenge(seed remora.Hash) proof.Challenge {
	return proof.Challenge{
		Domain: c.domain, Items: c.Commit.Items, Seed: seed,
		Claim: remora.Claim{
			ID: c.Commit.ID(c.domain, c.Node), Node: c.Node, Epoch: c.Commit.Epoch,
			Bytes: c.Commit.Total, Count: uint32(len(c.Commit.Items)), Receipts: c.Commit.Receipts,
		},
	}
}

// Answer opens the claim to the challenge of a seed.
func (c *Claim) Answer(tb testing.TB, seed remora.Hash) *remora.OpenClaim {
	tb.Helper()
	challenge := c.Challenge(seed)
	opened, err := challenge.Open(c.Receipts, proof.Evidence{
		Extents: func(item int) ([]remora.Extent, error) { return c.extents[item], nil },
		Chunk: func(of remora.Content, index uint64) (content.ChunkProof, error) {
			f, found := c.files[of]
			if !found {
				return content.ChunkProof{}, remora.ErrNotFound
			}
			return f.Chunk(index)
		},
		Aggregate: Sum,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return opened
}

// FixSeed moves the chain by a block that fixes the beacon's next step: members of a quorum contribute. Transactions
// given are executed in that block. It returns their codes.
func (c *Chain) FixSeed(txs ...[]byte) []remora.Code {
	c.tb.Helper()
	committee := c.Machine.Committee()
	d := Draft{Time: c.View.Tip.Time + 10}
	for i := range remora.Authority(committee.Size()) {
		d.Beacon = append(d.Beacon, i)
	}
	return c.runDraft(d, txs)
}

// EndEpoch moves the chain by a block whose time ends the present epoch.
func (c *Chain) EndEpoch(txs ...[]byte) []remora.Code {
	c.tb.Helper()
	end := c.Epoch().StartTime + c.Genesis.Params.EpochMillis
	return c.runDraft(Draft{Time: max(end, c.View.Tip.Time+1)}, txs)
}

// Idle moves the chain by empty blocks, each after the given time.
func (c *Chain) Idle(blocks int, each remora.Millis) {
	c.tb.Helper()
	for range blocks {
		c.Next(Draft{Time: c.View.Tip.Time + each})
	}
}

// Claim returns a named node's claim, the seed if it is challenged, and whether there is one. Unlike delivery.GetClaim it
// returns ClaimChallenged for a challenged claim.
func (c *Chain) Claim(node string, epoch remora.Epoch) (remora.Claim, remora.Hash, bool) {
	c.tb.Helper()
	claim, exists, err := delivery.GetClaim(c.tables, Address(node), epoch)
	c.failOn(err)
	stage, seed, err := delivery.Stage(c.tables, &claim)
	c.failOn(err)
	claim.State = stage
	return claim, seed.Hash, exists
}

// Grant returns a session's grant for a named node, the zero one when there is none.
func (c *Chain) Grant(id remora.SessionID, node string) remora.Grant {
	c.tb.Helper()
	g, _, err := delivery.GetGrant(c.tables, id, Address(node))
	c.failOn(err)
	return g
}
