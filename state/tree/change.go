package tree

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/remora-network/remora"
)

// ErrDuplicateKey refuses an update that changes a key twice. Merge the changes of a key before the update.
var ErrDuplicateKey = errors.New("key changed twice in one batch; merge its changes into the last one")

// Change sets a key to a value hash, or deletes it if the value hash is zero (which no value has).
type Change struct {
	Key       remora.Hash
	ValueHash remora.Hash
}

// Set returns the change that stores value under key. An empty value is a value like any other.
func Set(key remora.Hash, value []byte) Change { return Change{Key: key, ValueHash: ValueHash(value)} }

// Delete returns the change that removes key.
func Delete(key remora.Hash) Change { return Change{Key: key} }

func (c *Change) isDeletion() bool { return c.ValueHash.IsZero() }

func compareKeys(a, b Change) int { return bytes.Compare(a.Key[:], b.Key[:]) }

// sortedByKey returns the changes in strictly ascending order of their keys: the slice itself if it is sorted already,
// else a sorted copy.
func sortedByKey(changes []Change) ([]Change, error) {
	if !slices.IsSortedFunc(changes, compareKeys) {
		changes = slices.Clone(changes)
		slices.SortFunc(changes, compareKeys)
	}
	for i := 1; i < len(changes); i++ {
		if changes[i].Key == changes[i-1].Key {
			return nil, fmt.Errorf("tree: key %s: %w", changes[i].Key, ErrDuplicateKey)
		}
	}
	return changes, nil
}

// splitBySide returns the index of the first change that goes right at depth. The changes are sorted, and their keys agree
// above depth.
func splitBySide(changes []Change, depth int) int {
	if len(changes) == 1 {
		return 1 - int(bitOfKey(&changes[0].Key, depth))
	}
	return sort.Search(len(changes), func(i int) bool { return bitOfKey(&changes[i].Key, depth) == 1 })
}
