package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/state/table"
)

// begin returns an open store that holds the genesis of a history.
func (h *history) begin(t *testing.T) *store.Store {
	t.Helper()
	s, err := open(crashfs.New(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Init(h.genesis, h.initial); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCommitRefusesGapsAndRepetition(t *testing.T) {
	h := newHistory(t, 3)
	s := h.begin(t)
	if err := s.Commit(h.commits[1]); err == nil || s.Height() != 0 {
		t.Fatalf("block 2 after block 0: error %v, height %d", err, s.Height())
	}
	if err := s.Commit(h.commits[0]); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(h.commits[0]); err == nil || s.Height() != 1 {
		t.Fatalf("block 1 twice: error %v, height %d", err, s.Height())
	}
}

func TestSnapshotStaysAsItWas(t *testing.T) {
	h := newHistory(t, 1)
	s := h.begin(t)
	snap := s.Snapshot()
	if !snap.Hold() {
		t.Fatal("a live snapshot cannot be held")
	}
	if err := s.Commit(h.commits[0]); err != nil {
		t.Fatal(err)
	}
	if dump(t, snap) != h.rows[0] || dump(t, s.Tables()) != h.rows[1] {
		t.Error("a snapshot moves with the store, or the store does not move")
	}
	for range 2 {
		if err := snap.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if snap.Hold() {
		t.Error("a released snapshot can be held")
	}
}

func TestUnexecutedListsOwnOpenBatches(t *testing.T) {
	h := newHistory(t, 3)
	s := h.begin(t)
	var foreign remora.BatchBuilder
	foreign.Add([]byte("by another author"))
	if err := s.AppendBatches([]remora.Batch{h.batches[2][0], foreign.Seal(1, 0, 1, 0, 1), h.batches[0][0], h.batches[1][0]}); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(h.commits[0]); err != nil {
		t.Fatal(err)
	}
	owed, _, err := s.Unexecuted(0)
	if err != nil || len(owed) != 2 || owed[0].Digest != h.batches[1][0].Digest || owed[1].Digest != h.batches[2][0].Digest {
		t.Fatalf("%d batches owed, want those of blocks 2 and 3 in the order of their numbers; error %v", len(owed), err)
	}
}

func TestAbsentThings(t *testing.T) {
	s := newHistory(t, 0).begin(t)
	_, noBatch := s.Batch(remora.Hash{1})
	_, noBlock := s.Block(1)
	_, noTx := s.Tx(remora.Hash{1})
	_, noCertificate := s.Certificate(mempooltest.Domain, 1, 0)
	_, noCertified := s.CertifiedBlock(7)
	for what, err := range map[string]error{
		"batch": noBatch, "block": noBlock, "transaction": noTx, "certificate": noCertificate, "certified block": noCertified,
	} {
		if !errors.Is(err, remora.ErrNotFound) {
			t.Errorf("absent %s: error %v", what, err)
		}
	}
	if cert, err := s.BlockCertificate(1); cert != nil || err != nil {
		t.Errorf("absent block certificate: %v, error %v", cert, err)
	}
}

func TestCertifiedBlockCarriesItsBatches(t *testing.T) {
	h := newHistory(t, 1)
	s := h.begin(t)
	if err := errors.Join(s.AppendBatches(h.batches[0]), s.Commit(h.commits[0])); err != nil {
		t.Fatal(err)
	}
	cb, err := s.CertifiedBlock(1)
	if err != nil || cb.Certificate != nil || len(cb.Batches) != 1 || remora.SumBLAKE3(cb.Batches[0]) != cb.Block.Batches[0] {
		t.Fatalf("uncertified block: %+v, error %v", cb, err)
	}
	if err := s.PutBlockCertificate(h.blockCertificate(1)); err != nil {
		t.Fatal(err)
	}
	if cb, err = s.CertifiedBlock(1); err != nil || cb.Certificate == nil || cb.Certificate.Hash != cb.Block.Header.Hash() {
		t.Fatalf("certified block: %+v, error %v", cb, err)
	}
}

func TestPruneDAGLeavesWhatIsAbove(t *testing.T) {
	h := newHistory(t, 4)
	s := h.begin(t)
	for r := remora.Round(1); r <= 4; r++ {
		if err := s.SaveDAG(h.certificates(r), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PruneDAG(2); err != nil {
		t.Fatal(err)
	}
	d, err := s.LoadDAG(mempooltest.Domain, 0)
	if err != nil || len(d.Certificates) != 8 || d.Certificates[0].Round() != 3 || d.Certificates[7].Round() != 4 {
		t.Fatalf("%d certificates left, error %v", len(d.Certificates), err)
	}
	if d, err = s.LoadDAG(mempooltest.Domain, 3); err != nil || len(d.Certificates) != 4 {
		t.Fatalf("%d certificates above round 3, error %v", len(d.Certificates), err)
	}
}

func TestNewestVotePerAuthor(t *testing.T) {
	h := newHistory(t, 3)
	s := h.begin(t)
	for r := remora.Round(1); r <= 3; r++ {
		if err := s.SaveDAG([]mempool.Record{{Vote: h.vote(r)}}, true); err != nil {
			t.Fatal(err)
		}
	}
	if d, err := s.LoadDAG(mempooltest.Domain, 0); err != nil || len(d.Votes) != 1 || d.Votes[0] != *h.vote(3) {
		t.Fatalf("votes %+v, error %v", d.Votes, err)
	}
}

func TestStatePrefixes(t *testing.T) {
	h := newHistory(t, 0)
	s := h.begin(t)
	keys := [][]byte{{1}, {1, 0xff}, {1, 0xff, 0xff}, {2}}
	var changes []table.Change
	for _, k := range keys {
		changes = append(changes, table.Change{Table: table.NodeNames, Key: k, Value: k})
	}
	if err := s.Init(h.genesis, changes); err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string]int{"\x01": 3, "\x01\xff": 2, "\xff": 0} {
		n := 0
		err := s.Tables().Ascend(table.NodeNames, []byte(prefix), func(k, v []byte) bool {
			if !strings.HasPrefix(string(k), prefix) || string(k) != string(v) {
				t.Errorf("prefix %x: row %x, %x", prefix, k, v)
			}
			n++
			return true
		})
		if err != nil || n != want {
			t.Errorf("prefix %x: %d rows, want %d, error %v", prefix, n, want, err)
		}
	}
}

func TestEmptyValueIsPresent(t *testing.T) {
	h := newHistory(t, 0)
	s := h.begin(t)
	if err := s.Init(h.genesis, []table.Change{{Table: table.Stakes, Key: []byte("k"), Value: []byte{}}}); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Tables().Get(table.Stakes, []byte("k")); v == nil || len(v) != 0 || err != nil {
		t.Errorf("empty value: %v, error %v", v, err)
	}
	if v, err := s.Tables().Get(table.Stakes, []byte("other")); v != nil || err != nil {
		t.Errorf("absent value: %v, error %v", v, err)
	}
}

// The mark of a complete record is set by BeginDAG or with a floor, and removed when the record is lost.
func TestRecordIsCompleteOrNot(t *testing.T) {
	h := newHistory(t, 1)
	s := h.begin(t)
	expect := func(mark store.Mark, floor remora.Round) {
		t.Helper()
		d, err := s.LoadDAG(mempooltest.Domain, 0)
		if err != nil || d.Mark != mark || d.Floor != floor {
			t.Fatalf("mark %d above %d, want %d above %d, error %v", d.Mark, d.Floor, mark, floor, err)
		}
		if got, err := s.Complete(); got != (mark == store.Complete) || err != nil {
			t.Fatalf("complete %v, error %v", got, err)
		}
	}
	save := func(r mempool.Record) {
		t.Helper()
		if err := s.SaveDAG([]mempool.Record{r}, true); err != nil {
			t.Fatal(err)
		}
	}
	expect(store.Unmarked, 0)
	if err := s.BeginDAG(); err != nil {
		t.Fatal(err)
	}
	expect(store.Complete, 0)
	save(mempool.Record{Vote: h.vote(1)})
	save(mempool.Record{Lost: true})
	expect(store.Incomplete, 0)
	save(mempool.Record{Floor: 70})
	expect(store.Complete, 70)
}

func TestTips(t *testing.T) {
	h := newHistory(t, 4)
	s := h.begin(t)
	if tip, own, err := s.Tips(mempooltest.Domain, 0, 2); tip != nil || own != nil || err != nil {
		t.Fatalf("of nothing: %v, %v, error %v", tip, own, err)
	}
	for r := remora.Round(1); r <= 3; r++ {
		if err := s.SaveDAG(h.certificates(r), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SaveDAG(h.certificates(4)[:2], false); err != nil {
		t.Fatal(err)
	}
	tip, own, err := s.Tips(mempooltest.Domain, 0, 2)
	if err != nil || tip.Round() != 4 || own.Round() != 3 || own.Author() != 2 {
		t.Fatalf("tip %v, own %v, error %v", tip, own, err)
	}
	if tip, own, err = s.Tips(mempooltest.Domain, 3, 2); err != nil || tip.Round() != 4 || own != nil {
		t.Fatalf("above 3: tip %v, own %v, error %v", tip, own, err)
	}
}
