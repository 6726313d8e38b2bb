package tree

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"

	"github.com/remora-network/remora"
)

// model is the naive tree: a map, from which every root and proof is computed anew.
type model map[remora.Hash]remora.Hash

func (m model) apply(changes []Change) {
	for _, c := range changes {
		if c.ValueHash == (remora.Hash{}) {
			delete(m, c.Key)
			continue
		}
		m[c.Key] = c.ValueHash
	}
}

func (m model) keys() []remora.Hash {
	return slices.SortedFunc(maps.Keys(m), func(a, b remora.Hash) int { return bytes.Compare(a[:], b[:]) })
}

func (m model) root() remora.Hash { return m.subtree(m.keys(), "") }

// subtree is the definition: the root of those keys whose binary digits start with prefix.
func (m model) subtree(keys []remora.Hash, prefix string) remora.Hash {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k remora.Hash) bool { return digits(k)[:len(prefix)] != prefix })
	switch len(keys) {
	case 0:
		return remora.Hash{}
	case 1:
		value := m[keys[0]]
		return sha256.Sum256(slices.Concat([]byte{0}, keys[0][:], value[:]))
	}
	left, right := m.subtree(keys, prefix+"0"), m.subtree(keys, prefix+"1")
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

func digits(k remora.Hash) string {
	var s [8 * len(k)]byte
	for i := range s {
		s[i] = '0' + k[i/8]<<(i%8)>>7
	}
	return string(s[:])
}
