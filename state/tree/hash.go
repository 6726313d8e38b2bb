package tree

import (
	"bytes"
	"crypto/sha256"

	"github.com/remora-network/remora"
)

// Domain tags keep leaves and inner nodes apart.
const (
	tagLeaf  = 0x00
	tagInner = 0x01
)

// maxDepth is the number of bits in a key, hence the longest path.
const maxDepth = 8 * remora.HashSize

// KeyHash returns the tree key of a row: SHA-256 of the table's number followed by the row's key.
func KeyHash(table byte, key []byte) remora.Hash {
	// Keys of the state's tables fit the array, which saves an allocation.
	var buf [129]byte
	return sha256.Sum256(append(append(buf[:0], table), key...))
}

// ValueHash returns the hash of a value in the tree: its plain SHA-256.
func ValueHash(value []byte) remora.Hash { return sha256.Sum256(value) }

func hashLeaf(key, value *remora.Hash) remora.Hash { return hashPair(tagLeaf, key, value) }

func hashInner(left, right remora.Hash) remora.Hash { return hashPair(tagInner, &left, &right) }

func hashPair(tag byte, a, b *remora.Hash) remora.Hash {
	var buf [1 + 2*remora.HashSize]byte
	buf[0] = tag
	copy(buf[1:], a[:])
	copy(buf[1+remora.HashSize:], b[:])
	return sha256.Sum256(buf[:])
}

// bitOfKey returns bit i of key, 0 or 1; bit 0 is the most significant bit of the first byte.
func bitOfKey(key *remora.Hash, i int) byte { return key[i>>3] >> (7 - i&7) & 1 }

// samePrefix reports whether the first n bits of a and b agree.
func samePrefix(a, b *remora.Hash, n int) bool {
	whole := n / 8
	if !bytes.Equal(a[:whole], b[:whole]) {
		return false
	}
	return whole == len(a) || (a[whole]^b[whole])>>(8-n%8) == 0
}
