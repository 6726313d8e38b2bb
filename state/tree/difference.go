package tree

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/remora-network/remora"
)

// ErrAnswer says that what somebody told of a tree does not lead to its root, or is no tree. Ask somebody else.
var ErrAnswer = errors.New("not a node of the tree with this root")

// Path is a place in a tree: the first Depth bits of Key lead there from the root.
type Path struct {
	_     struct{} `cbor:",toarray"`
	Key   remora.Hash
	Depth uint16
}

// Node is what there is at a place that is not empty: a leaf or an inner node. Its hash covers all of it, so whoever
// knows the hash needs no trust in whoever answers.
type Node struct {
	_    struct{} `cbor:",toarray"`
	Leaf bool
	// Pair is key and value hash of a leaf; of an inner node the hashes of its left and right side.
	Pair [2]remora.Hash
}

// Hash returns the hash of the node.
func (n *Node) Hash() remora.Hash {
	if n.Leaf {
		return hashLeaf(&n.Pair[0], &n.Pair[1])
	}
	return hashInner(n.Pair[0], n.Pair[1])
}

// At returns the node at a place, false when there is none: the place is empty or below a leaf.
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

// Difference is a key under which two trees have different value hashes. The zero hash stands for no value.
type Difference struct {
	Key          remora.Hash
	Ours, Theirs remora.Hash
}

// Difference returns the lowest key at which t differs from the tree with the given root, and whether there is one. It
// asks for one node of the other tree at each level on the way there, which it checks against the hash above, up to
// the root.
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

// unseen is a node of the other tree of which only the hash is known.
type unseen remora.Hash

func (u unseen) hash() remora.Hash { return remora.Hash(u) }

// revealNode asks for a node that is not known yet. The zero hash is the empty place: there is nothing to ask.
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

// leafDifference returns the lowest difference of two places that differ and of which neither is an inner node.
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

// childSides returns what is left and right below a place; a leaf there is seen as it would stand one level deeper.
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
