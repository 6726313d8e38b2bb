package consensus_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
	"github.com/remora-network/remora/testdata/goldentest"
)

// TestTraces plays the scripts in testdata. Their commands are the lines of a Script, and "sequence", which
// prints what was committed.
func TestTraces(t *testing.T) {
	goldentest.PlayScripts(t, "testdata/*.txt", func(t *testing.T) func(string) string {
		return (&tracer{t: t, script: NewScript()}).execute
	})
}

// tracer prints what a rule commits for a script.
type tracer struct {
	t        *testing.T
	out      strings.Builder
	script   *Script
	rule     *consensus.Bullshark // nil before the first certificate
	received []*remora.Certificate
	subs     []remora.SubDAG
}

// execute carries out a command and returns a line for each step that commits or fails.
func (c *tracer) execute(command string) string {
	c.out.Reset()
	if command == "sequence" {
		fmt.Fprintf(&c.out, "%d sub-DAGs, the last is %s\n", len(c.subs), c.rule.Previous())
		return c.out.String()
	}
	before := len(c.script.Steps)
	if err := c.script.Add(command); err != nil {
		c.t.Fatal(err)
	}
	for _, step := range c.script.Steps[before:] {
		if step.Certificate == nil {
			c.restart()
			continue
		}
		if c.rule == nil {
			c.rule = consensus.NewBullshark(c.script.DAG.Config(), consensus.Snapshot{})
		}
		c.received = append(c.received, step.Certificate)
		c.insert(step.Certificate)
	}
	return c.out.String()
}

// restart continues with a new rule and all certificates.
func (c *tracer) restart() {
	snapshot := c.script.DAG.SnapshotOf(c.subs)
	fmt.Fprintf(&c.out, "restart after leader %d, %d vertices known\n", snapshot.Leader, len(snapshot.Committed))
	c.rule = consensus.NewBullshark(c.script.DAG.Config(), snapshot)
	for _, certificate := range c.received {
		c.insert(certificate)
	}
}

func (c *tracer) insert(certificate *remora.Certificate) {
	subs, err := c.rule.Insert(certificate)
	switch {
	case errors.Is(err, consensus.ErrEquivocation):
		fmt.Fprintf(&c.out, "%s refused: %v\n", Name(&certificate.Header), consensus.ErrEquivocation)
	case err != nil:
		c.t.Fatal(err)
	case len(subs) > 0:
		fmt.Fprintf(&c.out, "%s commits, collected up to round %d\n", Name(&certificate.Header), c.rule.GCRound())
	}
	for _, sub := range subs {
		fmt.Fprintf(&c.out, "\t%s\n", describe(sub))
	}
	c.subs = append(c.subs, subs...)
}

// describe writes a sub-DAG as its short digest and its vertices in order.
func describe(sub remora.SubDAG) string {
	text := sub.Digest(Domain).String()[:8] + ":"
	for _, h := range sub.Headers {
		text += " " + Name(h)
	}
	return text
}
