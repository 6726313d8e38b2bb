package state

import (
	"encoding/binary"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
)

// payload are the batches of a sub-DAG, sorted. One in neither list was executed before or is listed twice.
type payload struct {
	execute []remora.BatchRef
	expired []remora.BatchRef
}

// Pending returns the batches of a sub-DAG that the block after view executes, in order: the first occurrence of each
// that was not executed before and was sealed in the block's epoch or the one before. References alone decide: the bytes of
// the other batches are never needed.
func (m *Machine) Pending(view View, sub *remora.SubDAG) ([]remora.BatchRef, error) {
	if err := m.checkSubDAG(view, sub); err != nil {
		return nil, err
	}
	epoch, err := registry.GetEpoch(view.Tables)
	if err != nil {
		return nil, err
	}
	p, err := sortPayload(view.Tables, sub, epoch.Number)
	return p.execute, err
}

func sortPayload(v table.View, sub *remora.SubDAG, epoch remora.Epoch) (payload, error) {
	var p payload
	seen := make(map[remora.Hash]bool)
	for _, h := range sub.Headers {
		for _, ref := range h.Payload {
			if seen[ref.Digest] {
				continue
			}
			if ref.Epoch != epoch && ref.Epoch+1 != epoch {
				p.expired = append(p.expired, ref)
				continue
			}
			seen[ref.Digest] = true
			done, err := v.Get(table.Executed, executedKey(ref.Epoch, ref.Digest))
			if err != nil {
				return payload{}, err
			}
			if done == nil {
				p.execute = append(p.execute, ref)
			}
		}
	}
	return p, nil
}

// executedKey returns the key of an executed batch. Keys sort by epoch: rows that have expired come first.
func executedKey(epoch remora.Epoch, batch remora.Hash) []byte {
	key := binary.BigEndian.AppendUint64(make([]byte, 0, 8+remora.HashSize), uint64(epoch))
	return append(key, batch[:]...)
}

// markExecuted records that the block at height executes the batches.
func markExecuted(o *table.Overlay, refs []remora.BatchRef, height remora.Height) {
	value := binary.BigEndian.AppendUint64(nil, uint64(height))
	for _, ref := range refs {
		o.Put(table.Executed, executedKey(ref.Epoch, ref.Digest), value)
	}
}

// pruneExecuted deletes the oldest rows of batches too old to be executed again. A block deletes at most twice as many rows as
// it adds, and 16: the load is even, and the table still shrinks faster than it grows.
func pruneExecuted(o *table.Overlay, base table.View, epoch remora.Epoch, executed int) error {
	limit := 2*executed + 16
	var old [][]byte
	err := base.Ascend(table.Executed, nil, func(key, _ []byte) bool {
		expired := len(old) < limit && len(key) >= 8 && binary.BigEndian.Uint64(key)+1 < uint64(epoch)
		if expired {
			old = append(old, append([]byte(nil), key...))
		}
		return expired
	})
	if err != nil {
		return err
	}
	for _, key := range old {
		o.Delete(table.Executed, key)
	}
	return nil
}
