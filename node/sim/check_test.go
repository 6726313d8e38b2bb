package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/state"
)

// without returns records but those that a defect loses.
func without(records []mempool.Record, lost func(mempool.Record) bool) []mempool.Record {
	return slices.DeleteFunc(slices.Clone(records), lost)
}

// notices runs a defect under crashes of all at many times, until the wanted violation is reported.
func notices(t *testing.T, want string, sabotage func(remora.Authority, []mempool.Record) []mempool.Record) {
	t.Helper()
	for i := range 60 {
		s := base(uint64(i))
		at := 300*ms + time.Duration(i)*13*ms
		s.Faults, s.sabotage = everyone(at, at+50*ms, Idle, false), sabotage
		r := mustRun(t, s)
		if slices.ContainsFunc(r.Violations, func(v string) bool { return strings.Contains(v, want) }) {
			if r.Verdict != Diverged {
				t.Errorf("verdict %s with %q", r.Verdict, r.Violations)
			}
			t.Logf("noticed in run %d", i)
			return
		}
	}
	t.Errorf("no run reports %q", want)
}

// TestNoticesAForgottenHeader has a validator that does not write its headers down.
func TestNoticesAForgottenHeader(t *testing.T) {
	notices(t, "two headers of {author:0", func(a remora.Authority, records []mempool.Record) []mempool.Record {
		return without(records, func(r mempool.Record) bool { return a == 0 && r.Header != nil })
	})
}

// TestNoticesAForgottenVote has a validator that does not write its votes down, and another one that makes two headers
// to vote for.
func TestNoticesAForgottenVote(t *testing.T) {
	notices(t, "two votes of {voter:1", func(a remora.Authority, records []mempool.Record) []mempool.Record {
		return without(records, func(r mempool.Record) bool { return a == 0 && r.Header != nil || a == 1 && r.Vote != nil })
	})
}

// TestNoticesNoProgress stops two of four forever.
func TestNoticesNoProgress(t *testing.T) {
	s := base(1)
	s.GST, s.Faults = time.Second, []Fault{{Kind: Crash, Node: 2, At: 500 * ms}, {Kind: Crash, Node: 3, At: 500 * ms}}
	if r := mustRun(t, s); r.Verdict != NoProgress {
		t.Errorf("%+v", r)
	}
}

// TestNoticesLoss owes what was accepted just before the end, which nobody can execute in time.
func TestNoticesLoss(t *testing.T) {
	s := base(1)
	s.Grace = time.Nanosecond
	if r := mustRun(t, s); r.Verdict != Lost {
		t.Errorf("%+v", r)
	}
}

// correct returns a validator of which a checker expects everything.
func correct(c *checker, a remora.Authority) *host {
	return &host{world: &world{check: c}, self: a}
}

// TestCheckerCatches feeds the checker what honest validators never do.
func TestCheckerCatches(t *testing.T) {
	committee := mempooltest.NewCommittee(4)
	header := func(round remora.Round, author remora.Authority, parents ...remora.Parent) *remora.Header {
		if parents == nil {
			parents = remora.GenesisParents(committee, remora.Hash{byte(round)})
		}
		h := &remora.Header{Term: 1, Round: round, Author: author, Parents: parents}
		h.Seal(committee.Domain)
		return h
	}
	block := func(height remora.Height, dag ...*remora.Header) *remora.Block {
		return &remora.Block{Header: remora.BlockHeader{Height: height, Domain: committee.Domain}, DAG: dag}
	}
	var builder remora.BatchBuilder
	builder.Add([]byte("transaction"))
	batch := builder.Seal(1, 1, 0, 0, 1)
	builder.Add([]byte("transaction"))
	renewed := builder.Seal(1, 2, 0, 0, 1)
	parent := header(1, 1)
	executed := func(c *checker, by remora.Authority, b *remora.Block, batches ...remora.Batch) {
		if b.Results == nil {
			b.Results = make([]byte, len(batches))
		}
		c.checkExecuted(correct(c, by), b, batches)
	}
	for name, tt := range map[string]struct {
		do   func(*checker)
		want string
	}{
		"agreement": {func(c *checker) { executed(c, 0, block(1, parent)); executed(c, 1, block(1, parent)) }, ""},
		"another block": {func(c *checker) {
			executed(c, 0, block(1, parent))
			other := block(1, parent)
			other.Header.StateRoot[0] = 1
			executed(c, 1, other)
		}, "another block 1"},
		"a gap":         {func(c *checker) { executed(c, 0, block(2, parent)) }, "after block 0"},
		"header twice":  {func(c *checker) { executed(c, 0, block(1, parent, parent)) }, "again"},
		"no parent":     {func(c *checker) { executed(c, 0, block(1, header(2, 0, parent.ID()))) }, "before its parent"},
		"batch twice":   {func(c *checker) { executed(c, 0, block(1, parent), batch, batch) }, "executes batch"},
		"tx twice":      {func(c *checker) { executed(c, 0, block(1, parent), batch, renewed) }, `executes "transaction" again`},
		"failed result": {func(c *checker) { b := block(1, parent); b.Results = []byte{1}; executed(c, 0, b, batch) }, "fails with TX_MALFORMED"},
		"failed result of the adversary": {func(c *checker) {
			b := block(1, parent)
			b.Results, c.faulty[batch.Author] = []byte{1}, true
			executed(c, 1, b, batch)
		}, ""},
		"no result":  {func(c *checker) { b := block(1, parent); b.Results = []byte{}; executed(c, 0, b, batch) }, "too few"},
		"one result": {func(c *checker) { b := block(1, parent); b.Results = []byte{0}; executed(c, 0, b) }, "for 0 transactions"},
		"lost height": {func(c *checker) {
			executed(c, 0, block(1, parent))
			c.checkStart(correct(c, 0), state.Tip{})
		}, "restarts at block 0"},
		"lower header": {func(c *checker) {
			c.checkSent(0, &mempool.Outgoing{Header: header(4, 0)})
			c.checkSent(0, &mempool.Outgoing{Header: header(3, 0)})
		}, "of round 3 after"},
		"invalid header": {func(c *checker) {
			h := header(1, 0)
			h.Payload = []remora.BatchRef{batch.Ref(), batch.Ref()}
			c.checkSent(0, &mempool.Outgoing{Header: h})
		}, "nobody accepts"},
		"two certificates": {func(c *checker) {
			c.checkSent(0, &mempool.Outgoing{Certificate: &remora.Certificate{Header: *header(4, 0)}})
			c.checkSent(1, &mempool.Outgoing{Certificate: &remora.Certificate{Header: *header(4, 0, parent.ID())}})
		}, "two certificates"},
	} {
		c := newChecker(committee, &Scenario{Validators: 4, GCDepth: 50})
		tt.do(c)
		if tt.want == "" && len(c.Violations) > 0 || tt.want != "" && (len(c.Violations) == 0 || !strings.Contains(c.Violations[0], tt.want)) {
			t.Errorf("%s: violations %v, want %q", name, c.Violations, tt.want)
		}
	}
}

func TestViolationsAreBounded(t *testing.T) {
	c := newChecker(mempooltest.NewCommittee(4), &Scenario{Validators: 4, GCDepth: 50})
	for range 3 * maxViolations {
		c.addViolation(Lost, "again")
	}
	if len(c.Violations) != maxViolations || c.worstVerdict() != Lost {
		t.Errorf("%d violations, verdict %s", len(c.Violations), c.worstVerdict())
	}
	if c.addViolation(Diverged, "late"); c.worstVerdict() != Diverged || len(c.Violations) != maxViolations {
		t.Error("a violation beyond the bound does not count, or is listed")
	}
}
