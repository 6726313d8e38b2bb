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
// A subtree that holds one leaf is that leaf, so the shape and the root depend on the set of keys and values only,
// never on the order of the updates that led there.
//
// The tree keeps the hashes of values; the values themselves live in the flat tables beside it.
package tree

import "github.com/remora-network/remora"

// Tree is an immutable map from keys to value hashes with a Merkle root. The zero Tree is empty.
// Update copies the paths that it changes and shares all else, so every earlier Tree stays valid for as long as
// somebody holds it, and any number of readers may use one at the same time.
type Tree struct {
	top  node
	size int
}

// Build returns the tree of the given leaves: Update on the empty tree.
func Build(leaves []Change) (Tree, error) { return Tree{}.Update(leaves) }

// Root returns the Merkle root; the root of the empty tree is the zero hash.
func (t Tree) Root() remora.Hash { return hashOf(t.top) }

// Len returns the number of keys.
func (t Tree) Len() int { return t.size }

// Get returns the value hash under key, and whether there is one.
func (t Tree) Get(key remora.Hash) (remora.Hash, bool) {
	n := t.top
	for depth := 0; ; depth++ {
		switch x := n.(type) {
		case *inner:
			n = x.childAt(bitOfKey(&key, depth))
		case *leaf:
			if x.key != key {
				return remora.Hash{}, false
			}
			return x.value, true
		default:
			return remora.Hash{}, false
		}
	}
}

// Update returns the tree with the changes applied. Their order does not matter, and deleting an absent key changes
// nothing. Two changes of one key have no order to decide between them: they are refused with ErrDuplicateKey and t is
// returned. The slice is only read; one that is sorted by key already saves a copy.
func (t Tree) Update(changes []Change) (Tree, error) {
	sorted, err := sortedByKey(changes)
	if err != nil {
		return t, err
	}
	u := update{size: t.size}
	top := u.applyChanges(t.top, 0, sorted)
	return Tree{top: top, size: u.size}, nil
}

// update is one run of Update; size follows the number of keys.
type update struct {
	size int
}

// applyChanges returns the subtree n at depth after changes, which are sorted, distinct and all below n.
// It returns n itself when nothing changed. The recursion ends by depth 256, where distinct keys have parted.
func (u *update) applyChanges(n node, depth int, changes []Change) node {
	if len(changes) == 0 {
		return n
	}
	var left, right node
	switch x := n.(type) {
	case *inner:
		left, right = x.left, x.right
	case *leaf:
		if len(changes) == 1 && changes[0].Key == x.key {
			return u.replaceLeaf(x, &changes[0])
		}
		if bitOfKey(&x.key, depth) == 0 {
			left = x
		} else {
			right = x
		}
	default:
		if len(changes) == 1 {
			return u.insertLeaf(&changes[0])
		}
	}
	at := splitBySide(changes, depth)
	newLeft := u.applyChanges(left, depth+1, changes[:at])
	newRight := u.applyChanges(right, depth+1, changes[at:])
	if _, ok := n.(*inner); ok && newLeft == left && newRight == right {
		return n
	}
	return joinSides(newLeft, newRight)
}

func (u *update) insertLeaf(c *Change) node {
	if c.isDeletion() {
		return nil
	}
	u.size++
	return &leaf{key: c.Key, value: c.ValueHash}
}

func (u *update) replaceLeaf(old *leaf, c *Change) node {
	switch {
	case c.isDeletion():
		u.size--
		return nil
	case c.ValueHash == old.value:
		return old
	}
	return &leaf{key: c.Key, value: c.ValueHash}
}
