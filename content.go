package remora

import (
	"bytes"
	"fmt"
	"slices"
)

// Limits of content on the chain.
const (
	MaxContentBytes = 1 << 48 // of one content
	MaxReplicas     = 16      // caches that hold a content by assignment
	maxChunk        = 1024    // bytes of a leaf of the tree whose root names content
	maxPath         = 64      // hashes beside the path of a chunk
)

// Content is the key of content: the BLAKE3 root of its bytes, and their number.
type Content struct {
	_      struct{} `cbor:",toarray"`
	Root   Hash     `json:"root"`
	Length uint64   `json:"length"`
}

// RegisterContent enters content into the chain's index. The last chunk with its path to the root proves the length, so
// that a root has one entry and cannot be occupied by a false one.
type RegisterContent struct {
	_         struct{} `cbor:",toarray"`
	Content   Content
	Directory bool
	Replicas  uint8
	Last      []byte // the content's last chunk
	Path      []Hash // siblings of its path to the root, its own sibling first
}

// Check reports the first field that breaks a limit. The caller verifies the proof of the length.
func (r *RegisterContent) Check() error {
	switch {
	case r.Content.Length > MaxContentBytes:
		return fmt.Errorf("%w: content of %d bytes, at most 2^48", ErrInvalid, r.Content.Length)
	case r.Replicas == 0 || r.Replicas > MaxReplicas:
		return fmt.Errorf("%w: %d replicas, want 1 to %d", ErrInvalid, r.Replicas, MaxReplicas)
	case len(r.Last) > maxChunk || len(r.Path) > maxPath:
		return fmt.Errorf("%w: a last chunk of %d bytes with a path of %d hashes", ErrInvalid, len(r.Last), len(r.Path))
	}
	return nil
}

// ContentEntry is an entry of the chain's index of content. A file and a directory of the same root are two entries.
type ContentEntry struct {
	_         struct{} `cbor:",toarray"`
	Content   Content  `json:"content"`
	Directory bool     `json:"directory"`
	Owner     Address  `json:"owner"`    // the first account that registered it
	Replicas  uint8    `json:"replicas"` // the largest number registered
	Epoch     Epoch    `json:"epoch"`    // in which it was registered
}

// Assign returns at most n of the caches, those that must hold content, first choice first. It is rendezvous hashing: each
// cache has a score from its address and the root, and the highest win. When a cache leaves, only its content moves.
func Assign(root Hash, caches []Address, n int) []Address {
	type bid struct {
		node  Address
		score Hash
	}
	bids := make([]bid, len(caches))
	for i, node := range caches {
		bids[i] = bid{node, newPreimage("remora/assign/1", Domain{}).addHash(root).addBytes(node[:]).sumDigest()}
	}
	slices.SortFunc(bids, func(a, b bid) int { return bytes.Compare(b.score[:], a.score[:]) })
	chosen := make([]Address, max(0, min(n, len(bids))))
	for i := range chosen {
		chosen[i] = bids[i].node
	}
	return chosen
}
