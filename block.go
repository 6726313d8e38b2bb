package remora

import (
	"fmt"
	"slices"
)

// ProtocolVersion is the version of the state machine's rules that this build applies.
const ProtocolVersion = 2

// Limits of a block without the bytes of its batches. Genesis.Check refuses parameters by which a block could pass them.
const (
	MaxBlockBytes   = 512 << 20
	MaxBlockHeaders = maxArrayElements
	MaxBlockBatches = 4096 // that a block executes
)

// Seed is a step of the beacon and its randomness.
type Seed struct {
	_    struct{} `cbor:",toarray"`
	Step uint64
	Hash Hash
}

// BlockHeader binds an executed block: its order, its results and the state after it.
type BlockHeader struct {
	_             struct{} `cbor:",toarray"`
	Version       uint16
	Domain        Domain // of the chain
	Height        Height
	Epoch         Epoch
	Term          Term
	Time          Millis
	Parent        Hash // hash of the block before, the genesis hash for block 1
	SubDAG        Hash
	TxRoot        Hash // over the digests of the batches that this block executes, in order
	ResultsRoot   Hash
	StateRoot     Hash // after this block
	Beacon        Seed // the newest step fixed by or before this block
	NextCommittee Hash // zero unless the committee changes after this block
}

// Hash names the block. Its preimage is the canonical encoding, which is unique per value.
func (h *BlockHeader) Hash() Hash {
	return newPreimage("remora/block/1", h.Domain).addBytes(Encode(h)).sumDigest()
}

// Block is an executed sub-DAG without the bytes of its batches.
type Block struct {
	_       struct{} `cbor:",toarray"`
	Header  BlockHeader
	DAG     []*Header // the sub-DAG's headers in order
	Batches []Hash    // digests executed by this block, in order: first occurrence, unexpired
	Results []byte    // one Code per transaction, in order of Batches
}

// LargestBlock returns an upper bound of the encoding of a block of a committee of n: headers of every member in every round
// that a leader may order, and as many results as its weight allows. It does not overflow for parameters that Genesis.Check has
// checked one by one.
func LargestBlock(p *Params, n int) uint64 {
	const fixed, perBatch = 4 << 10, 2 + HashSize
	headers := uint64(p.GCDepth) * uint64(n) * uint64(LargestHeader(n))
	return fixed + headers + perBatch*MaxBlockBatches + uint64(p.BlockWeight/MinTxWeight)
}

// TxRoot hashes the digests of the executed batches in order.
func TxRoot(d Domain, batches []Hash) Hash {
	p := newPreimage("remora/txs/1", d).addUint(uint64(len(batches)))
	for _, b := range batches {
		p.addHash(b)
	}
	return p.sumDigest()
}

// ResultsRoot hashes the codes of the executed transactions in order.
func ResultsRoot(d Domain, results []byte) Hash {
	return newPreimage("remora/results/1", d).addBytes(results).sumDigest()
}

// Seal computes the digests of the block's DAG headers after decoding.
func (b *Block) Seal() {
	for _, h := range b.DAG {
		h.Seal(b.Header.Domain)
	}
}

// SubDAG returns the block's ordered headers as the sub-DAG that follows previous.
func (b *Block) SubDAG(previous Hash) SubDAG { return SubDAG{Headers: b.DAG, Previous: previous} }

// BlockCertificate is a quorum's aggregate over BlockMessage of an executed block.
type BlockCertificate struct {
	_         struct{} `cbor:",toarray"`
	Height    Height
	Hash      Hash
	Signers   Bitmap
	Signature BLSSignature
}

// Check refuses a bitmap that does not fit the committee or holds less than a quorum. The caller verifies the signature.
func (c *BlockCertificate) Check(committee *Committee) error {
	return checkSigners(committee, c.Signers)
}

// CertifiedBlock holds everything that block sync and audits need to execute a block and to check that a quorum executed
// it to the same root.
type CertifiedBlock struct {
	_           struct{} `cbor:",toarray"`
	Block       Block
	Batches     [][]byte          // the bytes of Block.Batches, in order
	Certificate *BlockCertificate // nil until formed
}

// DecodeBlock decodes a stored or served block of at most limit bytes and seals its headers.
func DecodeBlock(b []byte, limit int) (*Block, error) {
	block := new(Block)
	if err := Decode(b, limit, block); err != nil {
		return nil, fmt.Errorf("block: %w", err)
	}
	if len(block.DAG) == 0 || slices.Contains(block.DAG, nil) {
		return nil, fmt.Errorf("block: %w: empty sub-DAG or header", ErrMalformed)
	}
	block.Seal()
	return block, nil
}

// DecodeCertifiedBlock decodes a served block of at most limit bytes and seals its headers.
func DecodeCertifiedBlock(b []byte, limit int) (*CertifiedBlock, error) {
	cb := new(CertifiedBlock)
	if err := Decode(b, limit, cb); err != nil {
		return nil, fmt.Errorf("certified block: %w", err)
	}
	if len(cb.Block.DAG) == 0 || slices.Contains(cb.Block.DAG, nil) {
		return nil, fmt.Errorf("certified block: %w: empty sub-DAG or header", ErrMalformed)
	}
	cb.Block.Seal()
	return cb, nil
}
