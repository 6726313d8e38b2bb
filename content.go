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

// RegisterContent enters content into the chain's index. Its last chunk with the path to the root proves the length,
// so that there is one true entry per root and nobody can occupy a root with a false one.
type RegisterContent struct {
	_         struct{} `cbor:",toarray"`
	Content   Content
	Directory bool
	Replicas  uint8
	Last      []byte // the content's last chunk
	Path      []Hash // the hashes beside its path to the root, its own neighbour first
}

// Check reports the first field that breaks a limit. The proof of the length is the caller's to verify.
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

// ContentEntry is what the chain knows of content. A file and a directory of the same root are two entries.
type ContentEntry struct {
	_         struct{} `cbor:",toarray"`
	Content   Content  `json:"content"`
	Directory bool     `json:"directory"`
	Owner     Address  `json:"owner"`    // who registered it first
	Replicas  uint8    `json:"replicas"` // the most that anybody asked for
	Epoch     Epoch    `json:"epoch"`    // in which it was registered
}

// Assign returns the up to n of the caches that are to hold content, the first choice first. Each cache draws a number
// from its address and the root, the highest win (rendezvous hashing): when one cache leaves, only its content moves.
func Assign(root Hash, caches []Address, n int) []Address {
	type bid struct {
		node  Address
		score Hash
	}
	bids := make([]bid, len(caches))
	for i, node := range caches {
		bids[i] = bid{node, newPreimage("remora/assign/1", "").addHash(root).addBytes(node[:]).sumDigest()}
	}
	slices.SortFunc(bids, func(a, b bid) int { return bytes.Compare(b.score[:], a.score[:]) })
	chosen := make([]Address, max(0, min(n, len(bids))))
	for i := range chosen {
		chosen[i] = bids[i].node
	}
	return chosen
}
