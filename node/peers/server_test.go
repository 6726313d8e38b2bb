package peers

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state"
)

// storedBlocks writes blocks with the given numbers of batches of 480 kB, and certificates that nobody checks.
func storedBlocks(t *testing.T, batches ...int) *Server {
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
		leader.Seal(remora.Domain{1})
		block := &remora.Block{Header: remora.BlockHeader{Domain: remora.Domain{1}, Height: height}, DAG: []*remora.Header{leader}}
		for range n {
			var b remora.BatchBuilder
			for range 8 {
				b.Add(tx)
			}
			seq++
			batch := b.Seal(1, 1, 0, 0, seq)
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
	return &Server{Domain: remora.Domain{1}, Store: st}
}

// TestAnswersFit asks for blocks of any size: each answer is one that the requester accepts, and brings it forward.
func TestAnswersFit(t *testing.T) {
	s := storedBlocks(t, 1, 16, 37, 56, 2)
	for from, height := remora.Height(1), s.Store.Height(); from <= height; {
		raw, err := s.serveBlocks(t.Context(), "", remora.Encode(RangeRequest{From: from, Count: 64}))
		if err != nil {
			t.Fatal(err)
		}
		var a BlocksAnswer
		if err := remora.Decode(raw, MaxAnswer, &a); err != nil || len(a.Items) == 0 || a.Newest != height {
			t.Fatalf("from block %d: %d blocks in %d bytes, the newest is %d, %v", from, len(a.Items), len(raw), a.Newest, err)
		}
		for _, item := range a.Items {
			cb, err := remora.DecodeCertifiedBlock(item, MaxAnswer)
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
	block, err := s.Store.Block(1)
	if err != nil {
		t.Fatal(err)
	}
	for missing := block.Batches; len(missing) > 0; {
		raw, err := s.serveBatches(t.Context(), "", remora.Encode(BatchRequest{Digests: missing}))
		if err != nil {
			t.Fatal(err)
		}
		items, err := DecodeItems(raw)
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
		Header: remora.BlockHeader{Domain: remora.Domain{1}, Height: 4}, DAG: []*remora.Header{leader}, Batches: []remora.Hash{{7}},
	}
	cert := &remora.BlockCertificate{Height: 4, Signers: remora.NewBitmap(4, 0, 1, 2)}
	if err := s.Store.Commit(store.Commit{Block: block, Certificate: cert}); err != nil {
		t.Fatal(err)
	}
	raw, err := s.serveBlocks(t.Context(), "", remora.Encode(RangeRequest{From: 1, Count: 64}))
	if err != nil {
		t.Fatal(err)
	}
	var a BlocksAnswer
	if err := remora.Decode(raw, MaxAnswer, &a); err != nil || len(a.Items) != 4 || a.Newest != 4 {
		t.Fatalf("%d blocks, the newest is %d, %v", len(a.Items), a.Newest, err)
	}
	for i, item := range a.Items {
		cb, err := remora.DecodeCertifiedBlock(item, MaxAnswer)
		if err != nil || len(cb.Block.Batches) != 1 || (len(cb.Batches) == 1) != (i < 3) {
			t.Errorf("block %d comes with %d batches, %v", i+1, len(cb.Batches), err)
		}
	}
}

// TestFarQuestionsDoNotWait asks for a block that is far away, with patience: the answer is empty, and comes at once. There is no
// head whose blocks it could wait for.
func TestFarQuestionsDoNotWait(t *testing.T) {
	s := storedBlocks(t, 1)
	for _, from := range []remora.Height{1 << 40, 1 + MaxBlockRange + 1} {
		raw, err := s.serveBlocks(t.Context(), "", remora.Encode(RangeRequest{From: from, Count: 1, Wait: 3000}))
		var a BlocksAnswer
		if err != nil || remora.Decode(raw, MaxAnswer, &a) != nil || len(a.Items) != 0 {
			t.Errorf("from block %d: %d blocks, %v", from, len(a.Items), err)
		}
	}
}

// FuzzRequest sends a server any bytes: its answers have the form of their protocol.
func FuzzRequest(f *testing.F) {
	st, err := store.InMemory()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := st.Close(); err != nil {
			f.Error(err)
		}
	})
	s := &Server{Domain: remora.Domain{1}, Store: st, Head: head.New(head.NewView(st, state.View{}, nil))}
	f.Cleanup(func() {
		if err := s.Head.Close(); err != nil {
			f.Error(err)
		}
	})
	f.Add(remora.Encode(CertificateRequest{Round: 9, Parents: []remora.Parent{{Author: 1}}}))
	f.Add(remora.Encode(BatchRequest{Digests: make([]remora.Hash, 2)}))
	f.Add(remora.Encode(RangeRequest{From: 1, Count: 3}))
	f.Fuzz(func(t *testing.T, request []byte) {
		for name, handle := range s.Handlers() {
			answer, err := handle(t.Context(), "peer", request)
			if err != nil {
				continue
			}
			if name == ProtocolBlocks {
				err = remora.Decode(answer, MaxAnswer, new(BlocksAnswer))
			} else {
				_, err = DecodeItems(answer)
			}
			if err != nil {
				t.Errorf("%s answers with %x: %v", name, answer, err)
			}
		}
	})
}

// TestBlockTooLargeForAnAnswer stores a block that no answer has room for: who asks gets none, and nothing that is a lie.
func TestBlockTooLargeForAnAnswer(t *testing.T) {
	s := storedBlocks(t, 1)
	leader := &remora.Header{Term: 1, Round: 4}
	block := &remora.Block{
		Header: remora.BlockHeader{Domain: remora.Domain{1}, Height: 2}, DAG: []*remora.Header{leader}, Results: make([]byte, MaxAnswer),
	}
	if err := s.Store.Commit(store.Commit{Block: block, Certificate: &remora.BlockCertificate{Height: 2, Signers: remora.NewBitmap(4, 0, 1, 2)}}); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[remora.Height]int{1: 1, 2: 0} {
		raw, err := s.serveBlocks(t.Context(), "", remora.Encode(RangeRequest{From: from, Count: 9}))
		if err != nil {
			t.Fatal(err)
		}
		var a BlocksAnswer
		if err := remora.Decode(raw, MaxAnswer, &a); err != nil || len(a.Items) != want || a.Newest != 2 {
			t.Errorf("from %d: %d blocks, the newest is %d, %v", from, len(a.Items), a.Newest, err)
		}
	}
}
