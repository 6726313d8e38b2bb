package sim

import (
	"flag"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state/statetest"
)

var rounds = flag.Int("rounds", 3000, "rounds of TestMemoryFlatOverManyRounds")

// live carries a scenario out up to a time and returns the world as it is then, with everybody running.
func live(t *testing.T, s Scenario) *world {
	t.Helper()
	s = s.WithDefaults()
	w, err := newWorld(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, v := range w.allCopies() {
			v.stopProcess()
		}
	})
	w.runUntil(s.Duration)
	return w
}

// TestReplayEqualsLiveRoots has an auditor execute the blocks of a stormy chain from genesis: every header, and so every
// state root, comes out as the validators have it.
func TestReplayEqualsLiveRoots(t *testing.T) {
	blocks := remora.Height(0)
	for seed := range uint64(some(20)) {
		s := Random(500+seed, 4)
		s.EpochBlocks = 5
		w := live(t, s)
		fresh, err := newDisk(1, nil).openStore()
		if err != nil {
			t.Fatal(err)
		}
		auditor, err := exec.OpenWith(w.genesis, fresh, new(statetest.Verifier))
		if err != nil {
			t.Fatal(err)
		}
		source := w.nodes[0].store
		for h := remora.Height(1); h <= source.Height(); h++ {
			if err := replayBlock(auditor, source, h); err != nil {
				t.Fatalf("seed %d, block %d: %v", seed, h, err)
			}
		}
		blocks += source.Height()
		if auditor.View().Tree.Root() != w.nodes[0].exec.View().Tree.Root() {
			t.Errorf("seed %d: another root after block %d", seed, source.Height())
		}
		if err := fresh.Close(); err != nil {
			t.Error(err)
		}
	}
	if blocks < 20 {
		t.Errorf("%d blocks replayed", blocks)
	}
}

func replayBlock(auditor *exec.Executor, source *store.Store, h remora.Height) error {
	cb, err := source.CertifiedBlock(h)
	if err != nil {
		return err
	}
	batches := make([]remora.Batch, len(cb.Batches))
	for i, raw := range cb.Batches {
		if batches[i], err = remora.ParseBatch(raw); err != nil {
			return err
		}
	}
	_, err = auditor.Execute(cb.Block.SubDAG(auditor.View().Tip.SubDAG), batches, &cb.Block.Header)
	return err
}

// TestMemoryFlatOverManyRounds counts what the mempool cores hold at a tenth of the run and at every tenth after it.
func TestMemoryFlatOverManyRounds(t *testing.T) {
	w := live(t, Scenario{Seed: 1, Duration: time.Second, TxPerSecond: 20, Network: Network{Latency: [2]time.Duration{ms, 5 * ms}}})
	step := remora.Round(*rounds / 10)
	held := func() int {
		most := 0
		for range 50 { // over some rounds: within one it comes and goes
			w.runUntil(w.now + 20*ms)
			for _, v := range w.nodes {
				most = max(most, countEntries(v.core))
			}
		}
		return most
	}
	first := 0
	for i := remora.Round(1); i <= 10; i++ {
		for w.nodes[0].core.Round() < i*step {
			w.runUntil(w.now + time.Second)
		}
		now := held()
		if first == 0 {
			first = now
		}
		if now*100 > first*105+2000 {
			t.Errorf("round %d: %d entries, %d at the first tenth", w.nodes[0].core.Round(), now, first)
		}
	}
	t.Logf("%d rounds, %d entries at the first tenth", w.nodes[0].core.Round(), first)
}
