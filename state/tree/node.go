package tree

import "github.com/remora-network/remora"

// node is nil (empty), *leaf or *inner. Nodes never change once they are built.
//
// Both kinds fill one 64-byte cache line. A leaf holds no pointer, so the garbage collector does not scan it, and no hash:
// recomputing it for the few leaves beside a changed path costs less than storing 32 bytes for each.
type node interface {
	hash() remora.Hash
}

type leaf struct {
	key, value remora.Hash
}

// inner has at least two leaves below it. One of its sides may be empty.
type inner struct {
	left, right node
	sum         remora.Hash
}

func (l *leaf) hash() remora.Hash { return hashLeaf(&l.key, &l.value) }

func (n *inner) hash() remora.Hash { return n.sum }

func (n *inner) childAt(side byte) node {
	if side == 0 {
		return n.left
	}
	return n.right
}

// hashOf returns the hash of a node, zero for an empty one.
func hashOf(n node) remora.Hash {
	if n == nil {
		return remora.Hash{}
	}
	return n.hash()
}

// joinSides returns the subtree of two sides. A leaf without a sibling moves up in place of an inner node.
func joinSides(left, right node) node {
	if right == nil {
		if _, many := left.(*inner); !many {
			return left
		}
	}
	if left == nil {
		if _, many := right.(*inner); !many {
			return right
		}
	}
	return &inner{left: left, right: right, sum: hashInner(hashOf(left), hashOf(right))}
}
