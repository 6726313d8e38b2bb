package tree

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
)

// Reasons to refuse a proof. The reader should ask another node for a proof of the same key and root.
var (
	ErrProofTooLong = errors.New("proof has more siblings than a key has bits")
	ErrProofShape   = errors.New("proof is not of the form that its claim needs")
	ErrProofLeaf    = errors.New("proof names a leaf that does not rule the key out")
	ErrProofRoot    = errors.New("proof does not lead to the root")
)

// Proof shows that a key has a value under a root, or that it has none. The verifier decides which of the two to check:
// the proof does not say.
type Proof struct {
	_ struct{} `cbor:",toarray"`
	// Siblings are the hashes beside the key's path, root first: Siblings[d] is the sibling below the node at depth d. It is
	// never nil in a proof by Prove. The last one is never zero, because the tree would have collapsed there.
	Siblings []remora.Hash `json:"siblings"`
	// Leaf is the leaf in place of an absent key. It is nil in a proof of membership, and in a proof of absence by an empty
	// place.
	Leaf *OtherLeaf `json:"leaf,omitempty"`
}

// OtherLeaf is a leaf with another key, in which the path of an absent key ends.
type OtherLeaf struct {
	_         struct{}    `cbor:",toarray"`
	Key       remora.Hash `json:"key"`
	ValueHash remora.Hash `json:"value_hash"`
}

// Prove returns a proof of key's value, or of its absence if it has none. The caller owns the result.
func (t Tree) Prove(key remora.Hash) Proof {
	p := Proof{Siblings: []remora.Hash{}}
	n := t.top
	for depth := 0; ; depth++ {
		switch x := n.(type) {
		case *inner:
			side := bitOfKey(&key, depth)
			p.Siblings = append(p.Siblings, hashOf(x.childAt(1-side)))
			n = x.childAt(side)
		case *leaf:
			if x.key != key {
				p.Leaf = &OtherLeaf{Key: x.key, ValueHash: x.value}
			}
			return p
		default:
			return p
		}
	}
}

// VerifyMember checks that key has the value with the given hash under root.
func (p Proof) VerifyMember(root, key, valueHash remora.Hash) error {
	if err := p.checkShape(); err != nil {
		return err
	}
	if p.Leaf != nil {
		return fmt.Errorf("tree: membership of %s shown by another leaf: %w", key, ErrProofShape)
	}
	if valueHash.IsZero() {
		return fmt.Errorf("tree: membership of %s with the zero value hash, which means deleted: %w", key, ErrProofShape)
	}
	return p.leadToRoot(hashLeaf(&key, &valueHash), root, key)
}

// VerifyAbsent checks that key has no value under root.
func (p Proof) VerifyAbsent(root, key remora.Hash) error {
	if err := p.checkShape(); err != nil {
		return err
	}
	if p.Leaf == nil {
		return p.leadToRoot(remora.Hash{}, root, key)
	}
	if p.Leaf.Key == key {
		return fmt.Errorf("tree: absence of %s shown by its own leaf: %w", key, ErrProofLeaf)
	}
	if !samePrefix(&p.Leaf.Key, &key, len(p.Siblings)) {
		return fmt.Errorf("tree: leaf %s is not on the path of %s: %w", p.Leaf.Key, key, ErrProofLeaf)
	}
	return p.leadToRoot(hashLeaf(&p.Leaf.Key, &p.Leaf.ValueHash), root, key)
}

// checkShape refuses a proof that no tree can produce, before anything is hashed.
func (p Proof) checkShape() error {
	n := len(p.Siblings)
	if n > maxDepth {
		return fmt.Errorf("tree: %d siblings, at most %d: %w", n, maxDepth, ErrProofTooLong)
	}
	if n > 0 && p.Siblings[n-1].IsZero() {
		return fmt.Errorf("tree: deepest sibling is empty: %w", ErrProofShape)
	}
	return nil
}

// leadToRoot hashes from the end of key's path up and compares the result with root.
func (p Proof) leadToRoot(h, root, key remora.Hash) error {
	for depth := len(p.Siblings) - 1; depth >= 0; depth-- {
		if bitOfKey(&key, depth) == 0 {
			h = hashInner(h, p.Siblings[depth])
		} else {
			h = hashInner(p.Siblings[depth], h)
		}
	}
	if h != root {
		return fmt.Errorf("tree: proof for %s leads to %s, not to root %s: %w", key, h, root, ErrProofRoot)
	}
	return nil
}
