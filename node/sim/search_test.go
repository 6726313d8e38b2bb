package sim

import (
	"strings"
	"testing"
	"time"
)

// TestRandomScenarios runs faulted seeds, the same ones every time: a failure prints a shrunken scenario.
func TestRandomScenarios(t *testing.T) {
	runs, found := Search(t.Context(), 1, uint64(some(3000)), 0, 2)
	if found == nil {
		t.Logf("%d seeds", runs)
		return
	}
	if found.Err != nil {
		t.Fatal(found.Scenario.Seed, found.Err)
	}
	file, err := Format(Shrink(found.Scenario, found.Outcome.Verdict))
	t.Fatalf("seed %d: %s\n%s\nthe shrunken scenario (%v):\n%s\nreplay it with: remora sim run --scenario FILE",
		found.Scenario.Seed, found.Outcome.Verdict, strings.Join(found.Outcome.Violations, "\n"), err, file)
}

// TestShrink finds the fault that matters among others.
func TestShrink(t *testing.T) {
	s := base(3)
	s.GST = s.Duration / 2
	s.Faults = []Fault{
		{Kind: Clock, Node: 0, Offset: time.Hour},
		{Kind: Crash, Node: 1, At: 200 * ms, Until: 400 * ms},
		{Kind: Crash, Node: 2, At: 500 * ms},
		{Kind: Slow, Node: 0, Factor: 2},
		{Kind: Crash, Node: 3, At: 600 * ms},
	}
	small := Shrink(s, NoProgress)
	if len(small.Faults) != 2 || small.TxPerSecond != 0 || !small.namesValidator(2) || !small.namesValidator(3) {
		t.Errorf("shrunk to %+v", small)
	}
	if r := mustRun(t, small); r.Verdict != NoProgress {
		t.Errorf("the shrunken scenario gives %s", r.Verdict)
	}
}
