package tree

import "github.com/remora-network/remora"

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

// Len returns the number of keys.
func (t Tree) Len() int { return lenBelow(t.top) }

func lenBelow(n node) int {
	switch x := n.(type) {
	case *inner:
		return lenBelow(x.left) + lenBelow(x.right)
	case *leaf:
		return 1
	}
	return 0
}

// Verify checks that key has value under root; a nil value claims that the key is absent.
func (p Proof) Verify(root, key remora.Hash, value []byte) error {
	if value == nil {
		return p.VerifyAbsent(root, key)
	}
	return p.VerifyMember(root, key, ValueHash(value))
}
