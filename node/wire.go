package node

import (
	"fmt"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/p2p"
)

// The channels between validators: small urgent frames, and batches.
const (
	channelDAG   = "dag"
	channelBatch = "batch"
)

// The first byte of a frame on channelDAG.
const (
	frameHeader      = 'H'
	frameVote        = 'V'
	frameCertificate = 'C'
	frameAck         = 'A' // followed by the digest of a batch
)

// The request protocols.
const (
	askCertificates      = "certificates"
	askBatches           = "batches"
	askBlocks            = "blocks"
	askBlockCertificates = "block-certificates"
	askSubmit            = "submit"
	askTip               = "tip"
)

// Bounds of answers, in bytes and in items.
const (
	maxAnswer           = 24 << 20
	maxAnswerBlocks     = 8 << 20 // a server stops adding blocks above it
	maxCertificateRange = 512
	maxBatchRange       = 32
	maxBlockRange       = 256
	maxRequestBytes     = 64 << 10
	maxSubmitBytes      = 768 << 10 // of transactions that a follower passes on at a time
	maxPatience         = 3 * time.Second
)

func channels() []p2p.Channel {
	return []p2p.Channel{
		{Name: channelDAG, MaxFrame: remora.MaxCertificateBytes + 1, QueueFrames: 4096, QueueBytes: 16 << 20},
		{Name: channelBatch, MaxFrame: remora.MaxBatchBytes, QueueFrames: 256, QueueBytes: 64 << 20},
	}
}

// certificateRequest asks for named certificates of one round and for their ancestors above a round.
type certificateRequest struct {
	_       struct{} `cbor:",toarray"`
	Round   remora.Round
	Parents []remora.Parent
	Above   remora.Round
}

// batchRequest asks for the bytes of batches.
type batchRequest struct {
	_       struct{} `cbor:",toarray"`
	Digests []remora.Hash
}

// rangeRequest asks for consecutive heights: certified blocks, or certificates of blocks.
type rangeRequest struct {
	_     struct{} `cbor:",toarray"`
	From  remora.Height
	Count uint16
	Wait  uint16 // milliseconds that the answer may wait for the first certified block
}

// blocksAnswer carries consecutive certified blocks, and the height of the newest one that the server could have sent.
type blocksAnswer struct {
	_      struct{} `cbor:",toarray"`
	Items  [][]byte
	Newest remora.Height
}

// listAnswer carries encoded items.
type listAnswer struct {
	_     struct{} `cbor:",toarray"`
	Items [][]byte
}

func decodeAnswer(b []byte) ([][]byte, error) {
	var a listAnswer
	if err := remora.Decode(b, maxAnswer, &a); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return a.Items, nil
}

func frame(kind byte, body []byte) []byte { return append([]byte{kind}, body...) }
