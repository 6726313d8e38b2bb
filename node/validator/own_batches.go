package validator

import (
	"bytes"
	"maps"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/worker"
)

// OwnBatches are this validator's batches that a quorum holds and no block has accepted: a rebuilt mempool core does not
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

// Forget drops batches that a block has accepted, or that none can accept any more, by what the worker core is told.
func (o *OwnBatches) Forget(m worker.Message) {
	switch m := m.(type) {
	case worker.BlockExecuted:
		for i := range m.Accepted {
			delete(o.waiting, m.Accepted[i].Digest)
		}
		for _, digest := range m.Executed {
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
