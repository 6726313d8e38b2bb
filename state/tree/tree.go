// Package tree is the authenticated key-value tree behind the state root.
//
// It has the semantics of a binary Jellyfish-Merkle tree over 256-bit keys:
//
//	key   = SHA-256(table || key bytes)
//	leaf  = SHA-256(0x00 || key || SHA-256(value))
//	inner = SHA-256(0x01 || left || right)
//	empty = 32 zero bytes
//
// Bit d of a key, counted from the most significant bit of its first byte, chooses left (0) or right (1) at depth d.
// A subtree with one leaf is that leaf, so the shape and the root depend on the set of keys and values alone, not on the
// order of updates. The tree holds the hashes of values; the values are in the flat tables of the state.
//
// # Usage
//
// Start from the zero Tree: Update returns the tree of all rows, then the tree after each block. Prove makes a proof of a
// key, which a reader who trusts the root checks with VerifyMember or VerifyAbsent. Difference finds the first key at which
// a local tree differs from another node's tree by asking for one node per level.
//
// # Guarantees
//
// Trees are immutable and share unchanged subtrees: a Tree stays valid, and any number of goroutines may read it, whatever
// is updated later. A proof is about 0.75 KB in a state of a million rows, and a verifier needs nothing but the root.
package tree

import "github.com/remora-network/remora"

// Tree is an immutable map from keys to value hashes with a Merkle root. The zero Tree is empty.
type Tree struct{ top node }

// Root returns the Merkle root; the root of the empty tree is the zero hash.
func (t Tree) Root() remora.Hash { return hashOf(t.top) }

// Update returns the tree with the changes applied. Their order does not matter, so two changes of one key are refused
// with ErrDuplicateKey, and t is returned. Deleting an absent key changes nothing. The slice is only read; if it is sorted
// by key, no copy is made.
func (t Tree) Update(changes []Change) (Tree, error) {
	sorted, err := sortedByKey(changes)
	if err != nil {
		return t, err
	}
	return Tree{applyChanges(t.top, 0, sorted)}, nil
}

// applyChanges returns the subtree n at depth after changes, which are sorted, distinct and all below n. It returns n itself
// if nothing changed. The recursion ends at depth 256 at the latest, since distinct keys differ in some bit.
func applyChanges(n node, depth int, changes []Change) node {
	if len(changes) == 0 {
		return n
	}
	var left, right node
	switch x := n.(type) {
	case *inner:
		left, right = x.left, x.right
	case *leaf:
		if len(changes) == 1 && changes[0].Key == x.key {
			return replaceLeaf(x, &changes[0])
		}
		if bitOfKey(&x.key, depth) == 0 {
			left = x
		} else {
			right = x
		}
	default:
		if len(changes) == 1 {
			return replaceLeaf(nil, &changes[0])
		}
	}
	at := splitBySide(changes, depth)
	newLeft := applyChanges(left, depth+1, changes[:at])
	newRight := applyChanges(right, depth+1, changes[at:])
	if _, ok := n.(*inner); ok && newLeft == left && newRight == right {
		return n
	}
	return joinSides(newLeft, newRight)
}

// replaceLeaf returns the leaf after a change of its key; old is nil for a new key.
func replaceLeaf(old *leaf, c *Change) node {
	switch {
	case c.isDeletion():
		return nil
	case old != nil && c.ValueHash == old.value:
		return old
	}
	return &leaf{key: c.Key, value: c.ValueHash}
}
