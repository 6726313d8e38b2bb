package rpc

import (
	"context"
	"fmt"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/web"
)

const (
	// maxLookups bounds the batches that are read at a time to find transactions in them, one for each address.
	maxLookups = 2
	// maxLookupWaiters bounds the requests that wait for their turn, those of one address to a quarter.
	maxLookupWaiters = 256
	// maxIndexed bounds the transactions of the batches that were read last, about 8 MiB; a batch counts as minIndexed at least.
	maxIndexed = 1 << 16
	minIndexed = 16
)

// batchIndex remembers the batches that were read last, so that many look-ups in one batch read it once.
type batchIndex struct {
	turns *limits.Queue

	mu      sync.Mutex
	batches map[remora.Hash]*indexedBatch
	order   []remora.Hash // oldest first
	weight  int
}

// indexedBatch is an executed batch. It is not changed.
type indexedBatch struct {
	txs map[remora.Hash]*client.Tx
}

func (b *indexedBatch) weigh() int { return max(len(b.txs), minIndexed) }

func newBatchIndex() *batchIndex {
	return &batchIndex{turns: limits.NewQueue(maxLookups, 1, maxLookupWaiters), batches: map[remora.Hash]*indexedBatch{}}
}

func (b *batchIndex) lookUp(batch remora.Hash) *indexedBatch {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.batches[batch]
}

// remember keeps a batch, and forgets the oldest ones beyond the bound.
func (b *batchIndex) remember(batch remora.Hash, found *indexedBatch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.batches[batch] != nil {
		return
	}
	b.batches[batch] = found
	b.order = append(b.order, batch)
	b.weight += found.weigh()
	for b.weight > maxIndexed && len(b.order) > 1 {
		b.weight -= b.batches[b.order[0]].weigh()
		delete(b.batches, b.order[0])
		b.order = b.order[1:]
	}
}

// findInBatch finds a transaction in an executed batch.
func (s *Server) findInBatch(ctx context.Context, hash, batch remora.Hash) (*client.Tx, error) {
	found := s.indexed.lookUp(batch)
	if found == nil {
		owner := web.ClientOf(ctx).Owner()
		if !s.indexed.turns.EnterQueue(ctx, owner, 1) {
			s.Hits.RecordHit("rpc look-ups in batches", owner)
			return nil, web.BusyError("look-ups in batches")
		}
		defer s.indexed.turns.LeaveQueue(owner, 1)
		if found = s.indexed.lookUp(batch); found == nil {
			var err error
			if found, err = s.indexBatch(batch); err != nil {
				return nil, err
			}
			s.indexed.remember(batch, found)
		}
	}
	tx, ok := found.txs[hash]
	if !ok {
		return nil, notFound("transaction %s is not in batch %s", hash, batch)
	}
	return tx, nil
}

// indexBatch reads an executed batch. The places of its transactions among the block's results follow from the batches
// before it.
func (s *Server) indexBatch(batch remora.Hash) (*indexedBatch, error) {
	height, _, err := s.Store.BatchHeight(batch)
	if err != nil {
		return nil, err
	}
	block, err := s.Store.Block(height)
	if err != nil {
		return nil, err
	}
	before := 0
	for _, digest := range block.Batches {
		raw, err := s.Store.Batch(digest)
		if err != nil {
			return nil, err
		}
		parsed, err := remora.ParseBatch(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: batch %s: %v", remora.ErrCorrupt, digest, err)
		}
		if digest != batch {
			before += parsed.Count
			continue
		}
		txs := make(map[remora.Hash]*client.Tx, parsed.Count)
		for i, tx := range parsed.Txs() {
			hash := remora.TxHash(tx)
			if txs[hash] != nil {
				continue // the first one counts
			}
			if txs[hash], err = txDocument(block, hash, before+i); err != nil {
				return nil, err
			}
		}
		return &indexedBatch{txs}, nil
	}
	return nil, fmt.Errorf("%w: block %d does not list batch %s", remora.ErrCorrupt, height, batch)
}
