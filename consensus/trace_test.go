package consensus_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
	"github.com/remora-network/remora/consensus/consensustest"
)

var rewrite = flag.Bool("rewrite", false, "write the traces in testdata anew")

const traceMark = "-- trace --\n"

// TestTraces plays the scripts in testdata and compares what each step does with the trace below the script.
// Rewrite them with: go test ./consensus -run TestTraces -rewrite
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text, want, found := strings.Cut(string(data), traceMark)
			if !found && !*rewrite {
				t.Fatalf("no line %q", traceMark)
			}
			got := trace(t, parse(t, text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(text+traceMark+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("trace (-want +got):\n%s", diff)
			}
		})
	}
}

// trace tells what a rule does with a script: a line for each step that commits or fails, then what is committed.
func trace(t *testing.T, script *consensustest.Script) string {
	t.Helper()
	var out strings.Builder
	rule := consensus.NewBullshark(script.DAG.Config(), consensus.Snapshot{})
	var subs []remora.SubDAG
	var received []*remora.Certificate
	insert := func(c *remora.Certificate) {
		more, err := rule.Insert(c)
		switch {
		case errors.Is(err, consensus.ErrEquivocation):
			fmt.Fprintf(&out, "%s refused: %v\n", consensustest.Name(&c.Header), consensus.ErrEquivocation)
		case err != nil:
			t.Fatal(err)
		case len(more) > 0:
			fmt.Fprintf(&out, "%s commits, collected up to round %d\n", consensustest.Name(&c.Header), rule.GCRound())
		}
		for _, sub := range more {
			fmt.Fprintf(&out, "\t%s\n", describe(sub))
		}
		subs = append(subs, more...)
	}
	for _, step := range script.Steps {
		if step.Certificate != nil {
			received = append(received, step.Certificate)
			insert(step.Certificate)
			continue
		}
		snapshot := script.DAG.SnapshotOf(subs)
		fmt.Fprintf(&out, "restart after leader %d, %d vertices known\n", snapshot.Leader, len(snapshot.Committed))
		rule = consensus.NewBullshark(script.DAG.Config(), snapshot)
		for _, c := range received {
			insert(c)
		}
	}
	fmt.Fprintf(&out, "%d sub-DAGs, the last is %s\n", len(subs), rule.Previous())
	return out.String()
}

// describe writes a sub-DAG as its short digest and its vertices in order.
func describe(sub remora.SubDAG) string {
	text := sub.Digest(consensustest.ChainID).String()[:8] + ":"
	for _, h := range sub.Headers {
		text += " " + consensustest.Name(h)
	}
	return text
}
