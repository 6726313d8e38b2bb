package node

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
)

// recentLimit bounds recentBatches: about half a minute of batches at full speed.
const recentLimit = 8192

// recentBatches remembers what the newest stored batches are, so that a vote needs no read from disk.
type recentBatches struct {
	known map[remora.Hash]mempool.BatchStored
	order []remora.Hash // ring, oldest at next
	next  int
}

func newRecentBatches() *recentBatches {
	return &recentBatches{known: map[remora.Hash]mempool.BatchStored{}, order: make([]remora.Hash, 0, recentLimit)}
}

func (r *recentBatches) add(b mempool.BatchStored) {
	if _, known := r.known[b.Ref.Digest]; known {
		return
	}
	r.known[b.Ref.Digest] = b
	if len(r.order) < recentLimit {
		r.order = append(r.order, b.Ref.Digest)
		return
	}
	delete(r.known, r.order[r.next])
	r.order[r.next] = b.Ref.Digest
	r.next = (r.next + 1) % recentLimit
}

func (r *recentBatches) get(digest remora.Hash) (mempool.BatchStored, bool) {
	b, ok := r.known[digest]
	return b, ok
}
