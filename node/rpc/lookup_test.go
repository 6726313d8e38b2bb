package rpc

import (
	"bytes"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/replay/replaytest"
)

// TestLookupsReadABatchOnce looks up every transaction of the batches of a block, many times: each batch is read once, and
// the places are those of the block. What is remembered is bounded.
func TestLookupsReadABatchOnce(t *testing.T) {
	c := replaytest.New(t, "dev-lookup")
	hits := limits.NewHits(nil, nil)
	s := &Server{Config: Config{Store: c.Store, Hits: hits}, indexed: newBatchIndex()}
	var txs [][]byte
	for i := range 20 {
		txs = append(txs, remora.EncodeOpaque(bytes.Repeat([]byte{byte(i)}, 100)))
	}
	first, second := c.Batch(txs[:10]...), c.Batch(txs[10:]...)
	c.Execute(first, second)
	var kept *indexedBatch
	for range 3 {
		for i, tx := range txs {
			batch := first.Digest
			if i >= 10 {
				batch = second.Digest
			}
			found, err := s.findInBatch(t.Context(), remora.TxHash(tx), batch)
			if err != nil || found.Position != i || found.Height != 1 {
				t.Fatalf("transaction %d: %+v, %v", i, found, err)
			}
		}
		if again := s.indexed.lookUp(first.Digest); kept != nil && again != kept {
			t.Error("the batch was read again")
		} else if kept = again; kept == nil {
			t.Fatal("the batch is not remembered")
		}
	}
	if _, err := s.findInBatch(t.Context(), remora.Hash{1}, first.Digest); err == nil {
		t.Error("found what is not there")
	}
	for i := range maxIndexed {
		s.indexed.remember(remora.Hash{byte(i), byte(i >> 8), byte(i >> 16), 1}, &indexedBatch{})
	}
	if n := len(s.indexed.batches); n != maxIndexed/minIndexed || len(s.indexed.order) != n {
		t.Errorf("%d empty batches are remembered", n)
	}
	large := &indexedBatch{txs: map[remora.Hash]*client.Tx{}}
	for i := range maxIndexed {
		large.txs[remora.Hash{byte(i), byte(i >> 8), byte(i >> 16)}] = kept.txs[remora.TxHash(txs[0])]
	}
	s.indexed.remember(remora.Hash{9}, large)
	if len(s.indexed.batches) != 1 || s.indexed.weight != maxIndexed {
		t.Errorf("%d batches with %d transactions are remembered", len(s.indexed.batches), s.indexed.weight)
	}
}

// TestLookupsOfAnAddress has one address read a batch, and ask for more: another address does not wait for it.
func TestLookupsOfAnAddress(t *testing.T) {
	b := newBatchIndex()
	if !b.turns.EnterQueue(t.Context(), "greedy", 1) || b.turns.EnterQueue(t.Context(), "greedy", 2) {
		t.Fatal("an address reads one batch at a time")
	}
	if !b.turns.EnterQueue(t.Context(), "honest", 1) {
		t.Error("another address waits")
	}
}
