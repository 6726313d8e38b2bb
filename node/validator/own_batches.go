package validator

import (
	"bytes"
	"maps"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/worker"
)

// OwnBatches are this validator's batches that a quorum holds and no block has executed: a rebuilt mempool core does not
// know them.
type OwnBatches struct {
	waiting map[remora.Hash]remora.BatchRef
}

// Add enters a batch that a quorum holds.
func (o *OwnBatches) Add(ref remora.BatchRef) {
	if o.waiting == nil {
		o.waiting = map[remora.Hash]remora.BatchRef{}
	}
	o.waiting[ref.Digest] = ref
}

// Forget drops batches that a block has executed, or that none can execute any more, by what the worker core is told.
func (o *OwnBatches) Forget(m worker.Message) {
	switch m := m.(type) {
	case worker.Executed:
		for _, digest := range m.Digests {
			delete(o.waiting, digest)
		}
	case worker.EpochChanged:
		maps.DeleteFunc(o.waiting, func(_ remora.Hash, ref remora.BatchRef) bool { return ref.Epoch+1 < m.Epoch })
	}
}

// Waiting returns the batches, by digest. Their order has no meaning: the DAG orders execution.
func (o *OwnBatches) Waiting() []remora.BatchRef {
	return slices.SortedFunc(maps.Values(o.waiting), func(a, b remora.BatchRef) int {
		return bytes.Compare(a.Digest[:], b.Digest[:])
	})
}
