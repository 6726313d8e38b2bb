package node

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store"
)

// storedBlocks writes blocks with the given numbers of batches of 480 kB, and certificates that nobody checks.
func storedBlocks(t *testing.T, batches ...int) *server {
	t.Helper()
	st, err := store.InMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := st.Init(remora.Hash{1}, nil); err != nil {
		t.Fatal(err)
	}
	tx, seq := make([]byte, 60_000), uint64(0)
	for i, n := range batches {
		height := remora.Height(i + 1)
		leader := &remora.Header{Term: 1, Round: remora.Round(2 * height)}
		leader.Seal("dev-x")
		block := &remora.Block{Header: remora.BlockHeader{ChainID: "dev-x", Height: height}, DAG: []*remora.Header{leader}}
		for range n {
			var b remora.BatchBuilder
			for range 8 {
				b.Add(tx)
			}
			seq++
			batch := b.Seal(1, 0, 0, seq)
			block.Batches = append(block.Batches, batch.Digest)
			if err := st.AppendBatches([]remora.Batch{batch}); err != nil {
				t.Fatal(err)
			}
		}
		if err := st.Commit(store.Commit{Block: block}); err != nil {
			t.Fatal(err)
		}
		if err := st.PutBlockCertificate(&remora.BlockCertificate{Height: height, Signers: remora.NewBitmap(4, 0, 1, 2)}); err != nil {
			t.Fatal(err)
		}
	}
	return &server{chainID: "dev-x", store: st}
}

// TestAnswersFit asks for blocks of any size: each answer is one that the requester accepts, and brings it forward.
func TestAnswersFit(t *testing.T) {
	s := storedBlocks(t, 1, 16, 37, 56, 2)
	for from, height := remora.Height(1), s.store.Height(); from <= height; {
		raw, err := s.blocks(t.Context(), "", remora.Encode(rangeRequest{From: from, Count: syncBlocks}))
		if err != nil {
			t.Fatal(err)
		}
		var a blocksAnswer
		if err := remora.Decode(raw, maxAnswer, &a); err != nil || len(a.Items) == 0 || a.Newest != height {
			t.Fatalf("from block %d: %d blocks in %d bytes, the newest is %d, %v", from, len(a.Items), len(raw), a.Newest, err)
		}
		for _, item := range a.Items {
			cb, err := remora.DecodeCertifiedBlock(item, maxAnswer)
			if err != nil || cb.Block.Header.Height != from {
				t.Fatalf("block %d: %v", from, err)
			}
			from++
		}
	}
}

// TestBatchAnswersFit asks for more batches than fit: those that do not come are asked for again.
func TestBatchAnswersFit(t *testing.T) {
	s := storedBlocks(t, 32)
	block, err := s.store.Block(1)
	if err != nil {
		t.Fatal(err)
	}
	for missing := block.Batches; len(missing) > 0; {
		raw, err := s.batches(t.Context(), "", remora.Encode(batchRequest{Digests: missing}))
		if err != nil {
			t.Fatal(err)
		}
		items, err := decodeAnswer(raw)
		if err != nil || len(items) != len(missing) || len(items[0]) == 0 {
			t.Fatalf("%d items for %d digests, %v", len(items), len(missing), err)
		}
		var left []remora.Hash
		for i, item := range items {
			if len(item) == 0 {
				left = append(left, missing[i])
			}
		}
		missing = left
	}
}

// TestAnswersWithoutMissingBatches has a batch of one block be gone: that block goes without its batches, the others with
// theirs.
func TestAnswersWithoutMissingBatches(t *testing.T) {
	s := storedBlocks(t, 1, 1, 1)
	leader := &remora.Header{Term: 1, Round: 8}
	block := &remora.Block{
		Header: remora.BlockHeader{ChainID: "dev-x", Height: 4}, DAG: []*remora.Header{leader}, Batches: []remora.Hash{{7}},
	}
	cert := &remora.BlockCertificate{Height: 4, Signers: remora.NewBitmap(4, 0, 1, 2)}
	if err := s.store.Commit(store.Commit{Block: block, Certificate: cert}); err != nil {
		t.Fatal(err)
	}
	raw, err := s.blocks(t.Context(), "", remora.Encode(rangeRequest{From: 1, Count: syncBlocks}))
	if err != nil {
		t.Fatal(err)
	}
	var a blocksAnswer
	if err := remora.Decode(raw, maxAnswer, &a); err != nil || len(a.Items) != 4 || a.Newest != 4 {
		t.Fatalf("%d blocks, the newest is %d, %v", len(a.Items), a.Newest, err)
	}
	for i, item := range a.Items {
		cb, err := remora.DecodeCertifiedBlock(item, maxAnswer)
		if err != nil || len(cb.Block.Batches) != 1 || (len(cb.Batches) == 1) != (i < 3) {
			t.Errorf("block %d comes with %d batches, %v", i+1, len(cb.Batches), err)
		}
	}
}
