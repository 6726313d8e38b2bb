package restore_test

import (
	"errors"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state/statetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// history is a DAG in which authority 3 is slow, so that leaders pass its headers over and later ones order them.
type history struct {
	genesis      *remora.Genesis
	committee    *remora.Committee
	certificates []*remora.Certificate
	subs         []remora.SubDAG // what a node that never restarts commits
}

const depth = 6

func newHistory(t *testing.T, rounds remora.Round) *history {
	t.Helper()
	h := &history{genesis: statetest.Genesis("dev-restore", 4)}
	h.genesis.Params.GCDepth = depth
	var err error
	if h.committee, err = h.genesis.Committee(); err != nil {
		t.Fatal(err)
	}
	parents, late := remora.GenesisParents(h.committee, h.genesis.Hash()), remora.Parent{}
	for r := remora.Round(1); r <= rounds; r++ {
		var next []remora.Parent
		for a := range remora.Authority(4) {
			mine := parents
			if a == 3 && !late.Digest.IsZero() { // knows its own last header, which others leave out
				mine = append(slices.Clone(parents), late)
			}
			header := mempooltest.NewHeader(h.committee, a, r, mine)
			h.certificates = append(h.certificates, mempooltest.Certify(h.committee, header))
			if a != 3 || r%5 == 0 {
				next = append(next, header.ID())
			} else {
				late = header.ID()
			}
		}
		if r%5 == 0 {
			late = remora.Parent{}
		}
		parents = next
	}
	order := consensus.NewBullshark(consensus.Config{Committee: h.committee, GCDepth: depth, Origin: h.genesis.Hash()}, consensus.Snapshot{})
	for _, c := range h.certificates {
		subs, err := order.Insert(c)
		if err != nil {
			t.Fatal(err)
		}
		h.subs = append(h.subs, subs...)
	}
	return h
}

// stored returns a store with all certificates, in which the first blocks are executed.
func (h *history) stored(t *testing.T, blocks int) *store.Store {
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
	executor, err := exec.OpenWith(h.genesis, st, new(statetest.Verifier))
	if err != nil {
		t.Fatal(err)
	}
	records := make([]mempool.Record, len(h.certificates))
	for i, c := range h.certificates {
		records[i] = mempool.Record{Certificate: c}
	}
	if err := st.SaveDAG(records, true); err != nil {
		t.Fatal(err)
	}
	for _, sub := range h.subs[:blocks] {
		if _, err := executor.Execute(sub, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

// TestGoesOnWhereTheBlocksEnd restarts after each block: what is committed from there on is what a node that never
// restarts commits.
func TestGoesOnWhereTheBlocksEnd(t *testing.T) {
	h := newHistory(t, 21)
	if len(h.subs) < 8 {
		t.Fatalf("%d leaders committed", len(h.subs))
	}
	for blocks := range h.subs {
		cores, err := restore.Build(h.stored(t, blocks), restore.Config{
			Genesis: h.genesis, Committee: h.committee, Signer: mempooltest.Signer{Committee: h.committee},
		})
		if err != nil {
			t.Fatalf("after %d blocks: %v", blocks, err)
		}
		want := h.subs[blocks:]
		if len(cores.Committed) != len(want) {
			t.Fatalf("after %d blocks: %d leaders committed, want %d", blocks, len(cores.Committed), len(want))
		}
		for i := range want {
			if got := cores.Committed[i].Digest(h.committee.Domain); got != want[i].Digest(h.committee.Domain) {
				t.Errorf("after %d blocks: sub-DAG %d differs", blocks, blocks+i)
			}
		}
		if got, want := cores.Mempool.GCRound(), cores.Order.GCRound(); got != want {
			t.Errorf("after %d blocks: the mempool forgets up to round %d, the commit rule up to %d", blocks, got, want)
		}
	}
}

// TestOwedBatchesAreOfferedAgain restarts a worker whose batch clients were told of.
func TestOwedBatchesAreOfferedAgain(t *testing.T) {
	h := newHistory(t, 1)
	st := h.stored(t, 0)
	var builder remora.BatchBuilder
	builder.Add([]byte("transaction"))
	owed := builder.Seal(1, 1, 2, 0, 7)
	if err := st.AppendBatches([]remora.Batch{owed}); err != nil {
		t.Fatal(err)
	}
	core, restored, err := restore.Worker(st, worker.Config{Committee: h.committee, Self: 2, Epoch: 1})
	if err != nil || len(restored) != 1 {
		t.Fatalf("%d batches owed, %v", len(restored), err)
	}
	if rd, ok := core.Ready(); !ok || len(rd.Broadcast) != 1 || rd.Broadcast[0].Digest != owed.Digest {
		t.Errorf("offers %v", rd.Broadcast)
	}
}

// TestWhatWasSignedBinds restarts an authority that voted, and one that rejoined above a floor.
func TestWhatWasSignedBinds(t *testing.T) {
	h := newHistory(t, 1)
	parents := remora.GenesisParents(h.committee, h.genesis.Hash())
	voted := mempooltest.NewHeader(h.committee, 2, 1, parents)
	other := mempooltest.NewHeader(h.committee, 2, 1, parents, remora.BatchRef{Worker: 1})
	vote := mempooltest.NewVote(h.committee, 0, voted)
	for name, tt := range map[string]struct {
		record mempool.Record
		want   error
	}{
		"vote":  {mempool.Record{Vote: &vote}, mempool.ErrEquivocation},
		"floor": {mempool.Record{Floor: 9}, mempool.ErrTooOld},
	} {
		st := (&history{genesis: h.genesis, committee: h.committee}).stored(t, 0)
		if err := st.SaveDAG([]mempool.Record{tt.record}, true); err != nil {
			t.Fatal(err)
		}
		cores, err := restore.Build(st, restore.Config{
			Genesis: h.genesis, Committee: h.committee, Signer: mempooltest.Signer{Committee: h.committee},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := cores.Mempool.Step(mempool.HeaderReceived{Header: other}); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}
