package peers

import (
	"fmt"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/state/tree"
)

// The channels between validators: headers, votes and certificates; batches; and what acknowledges batches.
const (
	ChannelDAG   = "dag"
	ChannelBatch = "batch"
	ChannelAck   = "ack"
)

// The first byte of a frame on ChannelDAG.
const (
	FrameHeader      = 'H'
	FrameVote        = 'V'
	FrameCertificate = 'C'
)

// The request protocols.
const (
	ProtocolCertificates      = "certificates"
	ProtocolBatches           = "batches"
	ProtocolHeld              = "held" // which batches a peer has
	ProtocolBlocks            = "blocks"
	ProtocolBlockCertificates = "block-certificates"
	ProtocolSubmit            = "submit"
	ProtocolTip               = "tip"
	ProtocolTreeNode          = "tree-node" // the state after one of the newest blocks
	ProtocolChange            = "change"    // what one of the newest blocks changed
)

// Bounds of answers, in bytes and in items.
const (
	MaxAnswer           = 24 << 20
	maxAnswerBlocks     = 8 << 20        // a server stops adding blocks above it
	maxItem             = MaxAnswer - 64 // the largest item of an answer; a larger block is not sent
	MaxCertificateRange = 512
	MaxBatchRange       = 32
	MaxBlockRange       = 256
	maxRequestBytes     = 64 << 10
	maxPatience         = 3 * time.Second
	maxNodeBytes        = 128 // an encoded node of the state tree
	MaxFrameAcks        = 256 // digests in a frame on ChannelAck
)

// Channels returns the channels between validators. The rates are many times what an honest validator needs: they bound what
// the frames of a flooding one cost beside their bytes.
func Channels() []p2p.Channel {
	return []p2p.Channel{
		{Name: ChannelDAG, MaxFrame: remora.MaxCertificateBytes + 1, QueueFrames: 4096, QueueBytes: 16 << 20, Rate: 8 << 20},
		{Name: ChannelBatch, MaxFrame: remora.SignatureSize + remora.MaxBatchBytes, QueueFrames: 256, QueueBytes: 64 << 20},
		{Name: ChannelAck, MaxFrame: MaxFrameAcks * remora.HashSize, QueueFrames: 1024, QueueBytes: 1 << 20, Rate: 1 << 20},
	}
}

// CertificateRequest asks for named certificates of one round and for their ancestors above a round.
type CertificateRequest struct {
	_       struct{} `cbor:",toarray"`
	Round   remora.Round
	Parents []remora.Parent
	Above   remora.Round
}

// BatchRequest asks for the bytes of batches.
type BatchRequest struct {
	_       struct{} `cbor:",toarray"`
	Digests []remora.Hash
}

// RangeRequest asks for consecutive heights: certified blocks, or certificates of blocks.
type RangeRequest struct {
	_     struct{} `cbor:",toarray"`
	From  remora.Height
	Count uint16
	Wait  uint16 // milliseconds that the answer may wait for the first certified block
}

// NodeRequest asks for a node of the state tree after a block. The answer has one item.
type NodeRequest struct {
	_      struct{} `cbor:",toarray"`
	Height remora.Height
	At     tree.Path
}

// ChangeRequest asks how a block changed the row at a place of the state tree. The answer's items are the number of the
// table, the row's key, and its value unless it was deleted.
type ChangeRequest struct {
	_      struct{} `cbor:",toarray"`
	Height remora.Height
	Place  remora.Hash
}

// BlocksAnswer carries consecutive certified blocks, and the height of the newest one that the server could have sent.
type BlocksAnswer struct {
	_      struct{} `cbor:",toarray"`
	Items  [][]byte
	Newest remora.Height
}

// ListAnswer carries encoded items.
type ListAnswer struct {
	_     struct{} `cbor:",toarray"`
	Items [][]byte
}

// DecodeItems returns the items of an answer.
func DecodeItems(b []byte) ([][]byte, error) {
	var a ListAnswer
	if err := remora.Decode(b, MaxAnswer, &a); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return a.Items, nil
}

// EncodeBatch makes the frame by which an author sends a batch on ChannelBatch: its signature over the reference, and the batch.
func EncodeBatch(b remora.Batch, proof remora.Signature) []byte {
	return append(append(make([]byte, 0, len(proof)+len(b.Raw)), proof[:]...), b.Raw...)
}

// DecodeBatch parses such a frame. The signature is not verified.
func DecodeBatch(frame []byte) (remora.Batch, remora.Signature, error) {
	if len(frame) < remora.SignatureSize {
		return remora.Batch{}, remora.Signature{}, fmt.Errorf("%w: a batch frame of %d bytes", remora.ErrMalformed, len(frame))
	}
	b, err := remora.ParseBatch(frame[remora.SignatureSize:])
	return b, remora.Signature(frame[:remora.SignatureSize]), err
}

// EncodeFrame makes a frame of a kind for ChannelDAG.
func EncodeFrame(kind byte, body []byte) []byte { return append([]byte{kind}, body...) }

// EncodeAcks makes frames for ChannelAck: the digests of batches that are stored here, one after the other.
func EncodeAcks(digests []remora.Hash) [][]byte {
	var frames [][]byte
	for some := range slices.Chunk(digests, MaxFrameAcks) {
		frame := make([]byte, 0, len(some)*remora.HashSize)
		for _, digest := range some {
			frame = append(frame, digest[:]...)
		}
		frames = append(frames, frame)
	}
	return frames
}

// DecodeAcks returns the digests in a frame of ChannelAck.
func DecodeAcks(frame []byte) ([]remora.Hash, error) {
	if n := len(frame) / remora.HashSize; n == 0 || n > MaxFrameAcks || len(frame)%remora.HashSize != 0 {
		return nil, fmt.Errorf("acks: %w: %d bytes", remora.ErrMalformed, len(frame))
	}
	var digests []remora.Hash
	for digest := range slices.Chunk(frame, remora.HashSize) {
		digests = append(digests, remora.Hash(digest))
	}
	return digests, nil
}
