package sim

import (
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // committees are short-lived, and so is what they leave
	goleak.VerifyTestMain(m)
}

const ms = time.Millisecond

// run carries out a scenario that must pass and end with nothing owed.
func run(t *testing.T, s Scenario) Outcome {
	t.Helper()
	r := mustRun(t, s)
	if r.Verdict != Pass {
		t.Fatalf("seed %d: %s after %d blocks, scenario %+v:\n%s", r.Seed, r.Verdict, r.Blocks, s, strings.Join(r.Violations, "\n"))
	}
	return r
}

func mustRun(t *testing.T, s Scenario) Outcome {
	t.Helper()
	r, err := Run(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// some returns a number of repetitions: all, or a tenth in short mode.
func some(n int) int {
	if testing.Short() {
		return max(1, n/10)
	}
	return n
}

// base is a short run under load.
func base(seed uint64) Scenario {
	return Scenario{Seed: seed, Duration: 4 * time.Second, TxPerSecond: 60, Grace: 2 * time.Second}
}

// everyone crashes all validators at one time.
func everyone(at, until time.Duration, point Point, keep bool) []Fault {
	crashes := make([]Fault, 4)
	for i := range crashes {
		crashes[i] = Fault{Kind: Crash, Node: remora.Authority(i), At: at, Until: until, Point: point, Keep: keep}
	}
	return crashes
}

func TestHealthy(t *testing.T) {
	for _, n := range []int{1, 4, 7} {
		s := base(1)
		s.Validators = n
		r := run(t, s)
		if r.Blocks < 10 || r.Accepted < 230 || r.Executed < r.Accepted*8/10 || r.Crashes != 0 || r.Synced != 0 || r.StateRoot.IsZero() {
			t.Errorf("%d validators: %+v", n, r)
		}
	}
}

func TestSameScenarioSameTrace(t *testing.T) {
	for seed := range uint64(some(10)) {
		first, second := run(t, storm(seed)), run(t, storm(seed))
		if first.Trace != second.Trace || first.StateRoot != second.StateRoot || first.Blocks != second.Blocks {
			t.Errorf("seed %d: two runs, %+v and %+v", seed, first, second)
		}
	}
	if run(t, base(1)).Trace == run(t, base(2)).Trace {
		t.Error("two seeds, one trace")
	}
}

func TestLossDuplicationReorder(t *testing.T) {
	for seed := range uint64(some(20)) {
		s := base(seed)
		s.Network.Latency, s.Network.Drop, s.Network.Duplicate = [2]time.Duration{ms, 120 * ms}, 0.05, 0.1
		s.Duration, s.GST = 6*time.Second, 3*time.Second
		run(t, s)
	}
}

// TestSecondNodeRestart crashes one validator at many times and points.
func TestSecondNodeRestart(t *testing.T) {
	for i := range some(40) {
		s := base(uint64(i))
		at := time.Duration(i) * 37 * ms
		s.Faults = []Fault{{Kind: Crash, Node: remora.Authority(i % 4), At: at, Until: at + time.Duration(i%7)*90*ms, Point: Point(i % 3), Keep: i%2 == 0}}
		if r := run(t, s); r.Crashes != 1 {
			t.Fatalf("run %d: %d crashes", i, r.Crashes)
		}
	}
}

func TestAllFourKill9AndRestart(t *testing.T) {
	for i := range some(40) {
		s := base(uint64(i))
		at := time.Duration(i) * 41 * ms
		s.Faults = everyone(at, at+time.Duration(i%5)*60*ms, Point(i%3), i%2 == 0)
		if r := run(t, s); r.Crashes != 4 {
			t.Fatalf("run %d: %d crashes", i, r.Crashes)
		}
	}
}

// TestRestartProposesAtCorrectRound looks at the headers that validators write: after a restart of all they go on above
// the last one.
func TestRestartProposesAtCorrectRound(t *testing.T) {
	s := base(3)
	s.Faults = everyone(1500*ms, 1600*ms, Idle, false)
	newest := make([]remora.Round, 4)
	s.sabotage = func(a remora.Authority, records []mempool.Record) []mempool.Record {
		for _, r := range records {
			if r.Header == nil {
				continue
			}
			if r.Header.Round <= newest[a] {
				t.Errorf("validator %d makes a header of round %d after one of round %d", a, r.Header.Round, newest[a])
			}
			newest[a] = r.Header.Round
		}
		return records
	}
	run(t, s)
	if slices.Min(newest) < 20 {
		t.Errorf("rounds reached: %v", newest)
	}
}

// TestAckedButNotVotedHeaderThenCrash crashes two of four when they store a batch or are about to vote for a header.
func TestAckedButNotVotedHeaderThenCrash(t *testing.T) {
	for i := range some(30) {
		s := base(uint64(i))
		at := 400*ms + time.Duration(i)*7*ms
		for _, a := range []remora.Authority{1, 2} {
			s.Faults = append(s.Faults, Fault{Kind: Crash, Node: a, At: at, Until: at + 150*ms, Point: Unsaved})
		}
		run(t, s)
	}
}

// TestStaggeredStart has validators join one by one: no quorum, then a quorum, then all.
func TestStaggeredStart(t *testing.T) {
	s := base(5)
	s.Faults = []Fault{{Kind: Crash, Node: 1, Until: 500 * ms}, {Kind: Crash, Node: 2, Until: 1000 * ms}, {Kind: Crash, Node: 3, Until: 1500 * ms}}
	run(t, s)
}

// storm is a scenario of repeated crashes on a bad network, all from a seed.
func storm(seed uint64) Scenario {
	r := rand.New(rand.NewPCG(seed, 99))
	s := Scenario{
		Seed: seed, Duration: 6 * time.Second, GST: 3 * time.Second, TxPerSecond: 50, Grace: 2 * time.Second,
		Network: Network{Drop: 0.1 * r.Float64(), Duplicate: 0.1 * r.Float64()}, GCDepth: []remora.Round{50, 10}[r.IntN(2)],
		Served: []time.Duration{time.Minute, time.Second}[r.IntN(2)], EpochBlocks: []remora.Height{0, 7}[r.IntN(2)],
	}
	for at := time.Duration(0); at < 2500*ms; at += time.Duration(r.IntN(800)) * ms {
		until, point := at+time.Duration(r.IntN(700))*ms, Point(r.IntN(3))
		if r.IntN(3) == 0 {
			s.Faults = append(s.Faults, everyone(at, until, point, r.IntN(2) == 0)...)
			continue
		}
		s.Faults = append(s.Faults, Fault{Kind: Crash, Node: remora.Authority(r.IntN(4)), At: at, Until: until, Point: point, Keep: r.IntN(2) == 0})
	}
	return s
}

func TestStorms(t *testing.T) {
	crashes, accepted := 0, 0
	for seed := range uint64(some(80)) {
		r := run(t, storm(1000+seed))
		crashes, accepted = crashes+r.Crashes, accepted+r.Accepted
	}
	t.Logf("%d crashes, %d transactions accepted", crashes, accepted)
}

// TestCrashRestartLoops crashes a validator every 150 ms on a slow network, so that restarts find every mixture of own headers:
// ordered, passed over, made anew, not certified.
func TestCrashRestartLoops(t *testing.T) {
	for seed := range uint64(some(40)) {
		r := rand.New(rand.NewPCG(seed, 98))
		s := Scenario{
			Seed: seed, Duration: 7 * time.Second, GST: 3500 * ms, Grace: 2500 * ms, TxPerSecond: 100, GCDepth: 6,
			Network: Network{Latency: [2]time.Duration{8 * ms, 90 * ms}, Drop: 0.05, Duplicate: 0.05},
		}
		for at := time.Duration(0); at < 3*time.Second; at += time.Duration(r.IntN(300)) * ms {
			until := at + time.Duration(r.IntN(150))*ms
			if r.IntN(6) == 0 {
				s.Faults = append(s.Faults, everyone(at, until, Point(r.IntN(3)), r.IntN(2) == 0)...)
				continue
			}
			s.Faults = append(s.Faults, Fault{Kind: Crash, Node: remora.Authority(r.IntN(4)), At: at, Until: until, Point: Point(r.IntN(3)), Keep: r.IntN(2) == 0})
		}
		run(t, s)
	}
}

// TestDownBeyondTheDAG keeps a validator down until the others have forgotten the rounds it knows: it comes back by block
// sync. Then all crash.
func TestDownBeyondTheDAG(t *testing.T) {
	synced := 0
	for seed := range uint64(some(10)) {
		s := base(seed)
		s.GCDepth, s.Served, s.EpochBlocks, s.Duration = 6, 500*ms, 10, 8*time.Second
		s.Faults = append([]Fault{{Kind: Crash, Node: remora.Authority(seed % 4), At: 300 * ms, Until: 3 * time.Second}},
			everyone(3200*ms+time.Duration(seed)*50*ms, 3900*ms, Point(seed%3), seed%2 == 0)...)
		synced += run(t, s).Synced
	}
	if synced == 0 {
		t.Error("block sync was not needed once")
	}
}

// TestLossOfLivenessWithRecovery stops two of four; when one returns, so does progress.
func TestLossOfLivenessWithRecovery(t *testing.T) {
	s := base(7)
	s.Duration, s.GST = 6*time.Second, 3*time.Second
	s.Faults = []Fault{{Kind: Crash, Node: 2, At: 500 * ms}, {Kind: Crash, Node: 3, At: 600 * ms, Until: 3 * time.Second}}
	if r := run(t, s); r.Blocks < 10 {
		t.Errorf("%d blocks", r.Blocks)
	}
}

func TestScenarioWithoutSuchAValidator(t *testing.T) {
	s := base(1)
	s.Faults = []Fault{{Kind: Crash, Node: 4}}
	if _, err := Run(s); err == nil {
		t.Error("a crash of validator 4 of 4 is accepted")
	}
}
