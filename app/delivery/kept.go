package delivery

import (
	"maps"
	"slices"
	"sync"

	"github.com/remora-network/remora"
)

// kept is the epochs that have rows in the journal, and the content that their receipts name. Receipts name only content
// that the store held, so there are at most as many roots as the store has had objects in a few epochs.
type kept struct {
	mu     sync.Mutex
	epochs map[remora.Epoch]bool
	roots  map[remora.Hash]remora.Epoch // the newest epoch that names it
}

func newKept() *kept {
	return &kept{epochs: map[remora.Epoch]bool{}, roots: map[remora.Hash]remora.Epoch{}}
}

// noteExtents notes an epoch and the content of extents, before they are in the journal.
func (k *kept) noteExtents(e remora.Epoch, extents []remora.Extent) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epochs[e] = true
	for i := range extents {
		root := extents[i].Content.Root
		k.roots[root] = max(k.roots[root], e)
	}
}

// endEpoch forgets an epoch that has no rows any more, and every root whose newest epoch is older than all epochs left. A
// root may stay longer than necessary, but never goes too early.
func (k *kept) endEpoch(e remora.Epoch) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.epochs, e)
	maps.DeleteFunc(k.roots, func(_ remora.Hash, newest remora.Epoch) bool {
		for left := range k.epochs {
			if left <= newest {
				return false
			}
		}
		return true
	})
}

func (k *kept) needsRoot(root remora.Hash) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, found := k.roots[root]
	return found
}

// listEpochs returns the epochs in order.
func (k *kept) listEpochs() []remora.Epoch {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.epochs))
}
