package tree

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/remora-network/remora"
)

// ErrAnswer refuses an answer about a tree that does not lead to its root or is not part of any tree. Ask another node.
var ErrAnswer = errors.New("not a node of the tree with this root")

// Path is a place in a tree: the first Depth bits of Key lead there from the root.
type Path struct {
	_     struct{} `cbor:",toarray"`
	Key   remora.Hash
	Depth uint16
}

// Node is a leaf or an inner node of a tree. Its hash covers all of it, so a reader who knows the hash need not trust the
// sender.
type Node struct {
	_    struct{} `cbor:",toarray"`
	Leaf bool
	// Pair is the key and value hash of a leaf, or the hashes of the left and right side of an inner node.
	Pair [2]remora.Hash
}

// Hash returns the hash of the node.
func (n *Node) Hash() remora.Hash {
	if n.Leaf {
		return hashLeaf(&n.Pair[0], &n.Pair[1])
	}
	return hashInner(n.Pair[0], n.Pair[1])
}

// At returns the node at a place, false if the place is empty or below a leaf.
func (t Tree) At(p Path) (Node, bool) {
	n := t.top
	for depth := range min(int(p.Depth), maxDepth) {
		x, ok := n.(*inner)
		if !ok {
			return Node{}, false
		}
		n = x.childAt(bitOfKey(&p.Key, depth))
	}
	switch x := n.(type) {
	case *inner:
		return Node{Pair: [2]remora.Hash{hashOf(x.left), hashOf(x.right)}}, true
	case *leaf:
		return Node{Leaf: true, Pair: [2]remora.Hash{x.key, x.value}}, true
	}
	return Node{}, false
}

// Difference is a key with different value hashes in two trees. The zero hash stands for no value.
type Difference struct {
	Key          remora.Hash
	Ours, Theirs remora.Hash
}

// Difference returns the lowest key at which t differs from the tree with the given root, and whether there is one. On the
// way there it asks for one node of the other tree per level, and checks it against the hash in its parent.
func (t Tree) Difference(root remora.Hash, ask func(Path) (Node, error)) (Difference, bool, error) {
	if t.Root() == root {
		return Difference{}, false, nil
	}
	ours, theirs, at := t.top, node(unseen(root)), Path{}
	for {
		other, err := revealNode(theirs, at, ask)
		if err != nil {
			return Difference{}, false, err
		}
		if d, ok := leafDifference(ours, other); ok {
			return d, true, nil
		}
		if at.Depth == maxDepth {
			return Difference{}, false, fmt.Errorf("tree: an inner node below all bits of %s: %w", at.Key, ErrAnswer)
		}
		here, there := childSides(ours, int(at.Depth)), childSides(other, int(at.Depth))
		side := byte(0)
		if hashOf(here[0]) == hashOf(there[0]) {
			side = 1
		}
		if hashOf(here[side]) == hashOf(there[side]) {
			return Difference{}, false, fmt.Errorf("tree: a leaf at depth %d that has not moved up: %w", at.Depth, ErrAnswer)
		}
		at = at.childPath(side)
		ours, theirs = here[side], there[side]
	}
}

// childPath returns the place on one side of p.
func (p Path) childPath(side byte) Path {
	p.Key[p.Depth>>3] |= side << (7 - p.Depth&7)
	p.Depth++
	return p
}

// unseen is a node of the other tree whose hash alone is known.
type unseen remora.Hash

func (u unseen) hash() remora.Hash { return remora.Hash(u) }

// revealNode asks for an unseen node and checks the answer. The zero hash is an empty place, which needs no question.
func revealNode(n node, at Path, ask func(Path) (Node, error)) (node, error) {
	u, ok := n.(unseen)
	if !ok {
		return n, nil
	}
	if u.hash().IsZero() {
		return nil, nil
	}
	got, err := ask(at)
	if err != nil {
		return nil, err
	}
	if got.Hash() != u.hash() {
		return nil, fmt.Errorf("tree: the node at depth %d of %s hashes to %s, not to %s: %w", at.Depth, at.Key, got.Hash(), u.hash(), ErrAnswer)
	}
	if !got.Leaf {
		return &inner{left: unseen(got.Pair[0]), right: unseen(got.Pair[1]), sum: u.hash()}, nil
	}
	if !samePrefix(&got.Pair[0], &at.Key, int(at.Depth)) {
		return nil, fmt.Errorf("tree: leaf %s is not below the first %d bits of %s: %w", got.Pair[0], at.Depth, at.Key, ErrAnswer)
	}
	return &leaf{key: got.Pair[0], value: got.Pair[1]}, nil
}

// leafDifference returns the lowest difference of two different places, false if one of them is an inner node.
func leafDifference(ours, theirs node) (Difference, bool) {
	a, b := leafAt(ours), leafAt(theirs)
	switch {
	case a == nil && ours != nil || b == nil && theirs != nil:
		return Difference{}, false
	case b == nil || a != nil && bytes.Compare(a.key[:], b.key[:]) < 0:
		return Difference{Key: a.key, Ours: a.value}, true
	case a == nil || bytes.Compare(b.key[:], a.key[:]) < 0:
		return Difference{Key: b.key, Theirs: b.value}, true
	}
	return Difference{Key: a.key, Ours: a.value, Theirs: b.value}, true
}

func leafAt(n node) *leaf {
	l, _ := n.(*leaf)
	return l
}

// childSides returns the left and right side of a node. A leaf counts as its own child on the side of its key.
func childSides(n node, depth int) [2]node {
	switch x := n.(type) {
	case *inner:
		return [2]node{x.left, x.right}
	case *leaf:
		var s [2]node
		s[bitOfKey(&x.key, depth)] = x
		return s
	}
	return [2]node{}
}
