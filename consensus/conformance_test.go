package consensus_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
)

// player feeds a script to a rule.
type player struct {
	t        *testing.T
	dag      *DAG
	rule     *consensus.Bullshark
	received []*remora.Certificate
	subs     []remora.SubDAG
	bursts   []string // what each trigger committed
}

func play(t *testing.T, script *Script) *player {
	t.Helper()
	p := &player{t: t, dag: script.DAG, rule: consensus.NewBullshark(script.DAG.Config(), consensus.Snapshot{})}
	for _, step := range script.Steps {
		if step.Certificate == nil {
			p.restart()
			continue
		}
		p.received = append(p.received, step.Certificate)
		p.insert(step.Certificate)
	}
	if err := p.dag.CheckSequence(p.subs); err != nil {
		t.Error(err)
	}
	return p
}

func (p *player) insert(c *remora.Certificate) {
	p.t.Helper()
	subs, err := p.rule.Insert(c)
	if err != nil {
		p.t.Fatalf("Insert(%s): %v", Name(&c.Header), err)
	}
	if len(subs) > 0 {
		p.subs = append(p.subs, subs...)
		p.bursts = append(p.bursts, Brief(subs))
	}
}

// restart makes a new rule of what was committed and gives it the other certificates again.
func (p *player) restart() {
	p.t.Helper()
	p.rule = consensus.NewBullshark(p.dag.Config(), p.dag.SnapshotOf(p.subs))
	ordered := names(p.subs)
	for _, c := range p.received {
		if !ordered[Name(&c.Header)] {
			p.insert(c)
		}
	}
}

func names(subs []remora.SubDAG) map[string]bool {
	found := make(map[string]bool)
	for _, sub := range subs {
		for _, h := range sub.Headers {
			found[Name(h)] = true
		}
	}
	return found
}

func parse(t *testing.T, text string) *Script {
	t.Helper()
	script, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return script
}

// oneVote is a round in which only authority 0 links authority 0 of the round before.
const oneVote = "0<-* 1<-[-0] 2<-[-0] 3<-[-0]\n"

// asynchrony leaves the leaders of rounds 2 to 20 linked but without support, until the one of round 22 has it.
func asynchrony() string {
	text := "leader 0\nr1-2: *\n"
	for r := 3; r < 22; r += 2 {
		text += fmt.Sprintf("r%d: %sr%d: *\n", r, oneVote, r+1)
	}
	return text + "r23: 0 1"
}

// TestConformance plays the scenarios of the published implementations: four authorities of equal stake, authority 0
// leads every even round. Commits of one trigger stand together, a bar separates triggers.
func TestConformance(t *testing.T) {
	const slowChain = "leader 0\ngc 4\nr1: *\nr2-5: 0<-[0,1,2] 1<-[0,1,2] 2<-[0,1,2] 3<-[0,1,3]\n"
	tests := []struct {
		name, script, want string
		never              string // vertices that no sub-DAG holds
	}{
		{name: "commit_one", script: "leader 0\nr1-2: *\nr3: 0 1", want: "r2.0[5]"},
		{name: "dead_node", script: "leader 0\nr1-9: 0 1 2", want: "r2.0[4] | r4.0[6] | r6.0[6] | r8.0[6]"},
		{
			name:   "not_enough_support",
			script: "leader 0\nr1: 0 1 2\nr2: *\nr3: 0<-[-0] 1<-[-0] 2<-[0,1,2]\nr4: 0 1 2\nr5: 0 1",
			want:   "r2.0[4] r4.0[7]",
		},
		{name: "missing_leader", script: "leader 0\nr1-2: 1 2 3\nr3-4: *\nr5: 0 1", want: "r4.0[11]"},
		{
			name:   "leader_not_linked_is_skipped_forever",
			script: "leader 0\nr1-2: *\nr3: " + oneVote + "r4: *<-[-0]\nr5-7: *",
			want:   "r4.0[11] | r6.0[8]", never: "r2.0 r3.0",
		},
		{
			name:   "leader_not_linked_is_skipped_forever/vertex_is_linked_later",
			script: "leader 0\nr1-2: *\nr3: " + oneVote + "r4: 0<-[-0] 1 2<-[-0] 3<-[-0]\nr5-7: *",
			want:   "r4.0[11] | r6.0[10]",
		},
		{
			name: "long_asynchrony_then_one_commit", script: asynchrony(),
			want: "r2.0[5] r4.0[8] r6.0[8] r8.0[8] r10.0[8] r12.0[8] r14.0[8] r16.0[8] r18.0[8] r20.0[8] r22.0[8]",
		},
		{name: "f_plus_1_exact/one_less", script: "leader 0\nr1-2: *\nr3: 0", want: ""},
		{name: "f_plus_1_exact/equal", script: "leader 0\nr1-2: *\nr3: 0 1", want: "r2.0[5]"},
		{name: "f_plus_1_exact/weighted_one_less", script: "stakes 33 1 33 33\nleader 0\nr1-2: *\nr3: 0", want: ""},
		{name: "f_plus_1_exact/weighted", script: "stakes 33 1 33 33\nleader 0\nr1-2: *\nr3: 0 1", want: "r2.0[5]"},
		{name: "f_plus_1_exact/two_small_are_too_few", script: "stakes 10 20 30 40\nleader 0\nr1-2: *\nr3: 0 1", want: ""},
		{name: "f_plus_1_exact/one_large_is_enough", script: "stakes 10 20 30 40\nleader 0\nr1-2: *\nr3: 3", want: "r2.0[5]"},
		{
			name:   "late_vote_commits_older_leader_no_double",
			script: "leader 0\nr1-2: *\nr3: 0 1 2 3\nr4: *\nr5: 0\nr5: 1\nr5: 2 3",
			want:   "r2.0[5] | r4.0[8]",
		},
		{
			name: "late_vote_commits_older_leader_no_double/after_a_newer_leader",
			script: "leader 0\nr1-2: *\nr3: 0<-* 2<-[-0] 3<-[-0]\nr4: *\nr5: 0 1\n" +
				"r3: 1<-*",
			want: "r2.0[5] r4.0[7]",
		},
		{
			name: "delayed_certificate_below_watermark",
			script: "leader 0\nr1: 0 1 2\nr2-4: 0 1 3\nr5: 0 1\n" + // authority 3 is ordered up to round 3
				"r1: 3\nr2: 2<-[0,1,3]\nr3-4: 2\nr5: 2 3\nr6-7: *\n" + // its round 1 comes later, linked by another
				"again r1: 3\nagain r2: 2\nagain r2: 3",
			want: "r2.0[4] | r4.0[6] | r6.0[11]",
		},
		{
			name:   "delayed_certificate_below_watermark/collected",
			script: "leader 0\ngc 4\nr1-7: 0 1 2\nr1: 3\nagain r1: 0\nr8-9: 0 1 2",
			want:   "r2.0[4] | r4.0[6] | r6.0[6] | r8.0[6]", never: "r1.3",
		},
		{
			name:   "duplicate_insert_idempotent",
			script: "leader 0\nr1-2: *\nagain r1-2: *\nr3: 0\nagain r3: 0\nagain r3: 0\nr3: 1\nagain r1-2: *\nagain r3: 1 0",
			want:   "r2.0[5]",
		},
		{name: "round_1_never_commits", script: "leader 0\nr1-2: *", want: ""},
		{
			name:   "committed_round_after_restart",
			script: "leader 0\nr1-2: *\nrestart\nr3-4: *\nrestart\nr5-6: *\nrestart\nr7-8: *\nrestart\nr9-10: *\nrestart\nr11: *",
			want:   "r2.0[5] | r4.0[8] | r6.0[8] | r8.0[8] | r10.0[8]",
		},
		{name: "garbage_collection_basic", script: slowChain + "r6: 0 1 2\nr7: 0 1", want: "r2.0[4] | r4.0[6] | r6.0[9]", never: "r1.3 r2.3"},
		{
			name:   "slow_node",
			script: "leader 0\ngc 4\nr1-9: 0 1 2\nr1-9: 3\nr10: *\nr11: 0 1",
			want:   "r2.0[4] | r4.0[6] | r6.0[6] | r8.0[6] | r10.0[9]", never: "r1.3 r2.3 r3.3 r4.3 r5.3 r6.3",
		},
		{
			name:   "not_enough_support_and_missing_leaders_and_gc",
			script: "leader 0\ngc 4\nr1-6: 1 2 3\nr7-8: *\nr9: " + oneVote + "r10: *\nr11: 0 1",
			want:   "r8.0[11] r10.0[8]", never: "r1.1 r4.1 r4.2 r4.3",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := play(t, parse(t, tt.script))
			if got := strings.Join(p.bursts, " | "); got != tt.want {
				t.Errorf("committed %q, want %q", got, tt.want)
			}
			for _, name := range strings.Fields(tt.never) {
				if names(p.subs)[name] {
					t.Errorf("%s was ordered", name)
				}
			}
		})
	}
}

// TestSafety checks the scenarios that need more than a list of commits.
func TestSafety(t *testing.T) {
	t.Run("equivocating_certificate_rejected", testEquivocation)
	t.Run("odd_round_never_triggers_leader", testOddRounds)
	t.Run("genesis_never_output", testGenesis)
	t.Run("recovery_same_suffix", testRecovery)
	t.Run("gc_is_function_of_leader", testGCOfLeader)
	t.Run("multi_leader_commit_makes_separate_blocks", testSeparateBlocks)
	t.Run("signer_set_independence", testSigners)
	t.Run("no_commit_below_the_last_leader", testBelowLeader)
	t.Run("missing_parent_refused", testMissingParent)
	t.Run("strangers_refused", testStrangers)
}

// testEquivocation inserts a second certificate beside one that is waiting, ordered, and known from a snapshot only.
func testEquivocation(t *testing.T) {
	p := play(t, parse(t, "leader 0\nr1-2: *\nr3: 0 1"))
	all := p.dag.Authors(0)
	restored := consensus.NewBullshark(p.dag.Config(), p.dag.SnapshotOf(p.subs))
	for _, round := range []remora.Round{1, 2, 3} {
		twin := p.dag.Make(round, 0, 1, all)
		subs, err := p.rule.Insert(twin)
		if !errors.Is(err, consensus.ErrEquivocation) || subs != nil {
			t.Errorf("round %d: Insert of a second certificate = %v, %v, want ErrEquivocation", round, subs, err)
		}
		if _, err := restored.Insert(twin); round < 3 && !errors.Is(err, consensus.ErrEquivocation) {
			t.Errorf("round %d, after a restart: %v, want ErrEquivocation", round, err)
		}
	}
}

// testOddRounds gives odd rounds all support there is: only even rounds have leaders.
func testOddRounds(t *testing.T) {
	p := play(t, parse(t, "r1-20: *"))
	for i, sub := range p.subs {
		want := remora.Round(2 * (i + 1))
		author, ok := consensus.Leader(p.dag.Committee, want)
		if l := sub.Leader(); l.Round != want || !ok || l.Author != author {
			t.Errorf("sub-DAG %d ends with %s, want round %d of authority %d", i, Name(l), want, author)
		}
		if _, ok := consensus.Leader(p.dag.Committee, want-1); ok {
			t.Errorf("round %d has a leader", want-1)
		}
	}
	if len(p.subs) != 9 {
		t.Errorf("%d sub-DAGs of 20 full rounds, want 9", len(p.subs))
	}
	if _, ok := consensus.Leader(p.dag.Committee, 0); ok {
		t.Error("genesis has a leader")
	}
}

func testGenesis(t *testing.T) {
	p := play(t, parse(t, "r1-7: *"))
	for _, sub := range p.subs {
		for _, h := range sub.Headers {
			if h.Round == 0 {
				t.Errorf("sub-DAG of %s holds genesis", Name(sub.Leader()))
			}
		}
	}
	if _, err := p.rule.Insert(p.dag.Make(0, 1, 0, nil)); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("Insert of round 0: %v, want ErrInvalid", err)
	}
}

// testRecovery crashes after each sub-DAG of one trigger that commits many.
func testRecovery(t *testing.T) {
	script := parse(t, asynchrony())
	golden := play(t, script).subs
	for kept := range golden {
		rule := consensus.NewBullshark(script.DAG.Config(), script.DAG.SnapshotOf(golden[:kept]))
		suffix, err := Run(rule, script.DAG.Certificates)
		if err != nil {
			t.Fatal(err)
		}
		whole := append(golden[:kept:kept], suffix...)
		if err := CheckEqual(golden, whole); err != nil {
			t.Errorf("crash after %d sub-DAGs: %v", kept, err)
		}
	}
}

// testGCOfLeader commits one leader at a node in round 7 and at one in round 13.
func testGCOfLeader(t *testing.T) {
	const start = "leader 0\ngc 4\nr1: *\nr2-5: 0<-[0,1,2] 1<-[0,1,2] 2<-[0,1,2] 3<-[0,1,3]\nr6: *\n" +
		"r7: 0<-* 1<-[-0] 2<-[-0]\n"
	const vote = "r7: 3\n"
	const rest = "r8: *<-[0,1,2]\nr9: 0<-* 1<-[-0] 2<-[-0]\nr10: *\nr11: 0<-* 1<-[-0] 2<-[-0]\nr12: *\nr13: 0\n"
	early, late := play(t, parse(t, start+vote+rest)), play(t, parse(t, start+rest+vote))
	if err := CheckEqual(early.subs, late.subs); err != nil {
		t.Error(err)
	}
	if got, want := Brief(late.subs), "r2.0[4] r4.0[6] r6.0[9]"; got != want {
		t.Errorf("committed %q, want %q", got, want)
	}
}

// testSeparateBlocks shows two nodes the same DAG: to one, two leaders are committed one by one, to the other at once.
func testSeparateBlocks(t *testing.T) {
	const start = "leader 0\nr1-2: *\nr3: 0<-* 2<-[-0] 3<-[-0]\n"
	const vote = "r3: 1<-*\n"
	const rest = "r4: *<-[0,2,3]\nr5: 0 1\n"
	apart, together := play(t, parse(t, start+vote+rest)), play(t, parse(t, start+rest+vote))
	if len(apart.bursts) != 2 || len(together.bursts) != 1 {
		t.Fatalf("triggers %q and %q, want two and one", apart.bursts, together.bursts)
	}
	if err := CheckEqual(apart.subs, together.subs); err != nil {
		t.Error(err)
	}
}

// testSigners certifies the same headers by other quorums.
func testSigners(t *testing.T) {
	p := play(t, parse(t, "r1-9: *"))
	other := consensus.NewBullshark(p.dag.Config(), consensus.Snapshot{})
	var subs []remora.SubDAG
	for i, c := range p.dag.Certificates {
		twin := *c
		twin.Signers = remora.NewBitmap(4, remora.Authority(i%4), remora.Authority((i+1)%4), remora.Authority((i+2)%4))
		twin.Signature[0] = byte(i)
		if twin.Digest() != c.Digest() {
			t.Fatalf("%s has another digest with other signers", Name(&c.Header))
		}
		more, err := other.Insert(&twin)
		if err != nil {
			t.Fatal(err)
		}
		subs = append(subs, more...)
		if again, err := other.Insert(c); again != nil || err != nil {
			t.Fatalf("Insert of the same vertex with other signers = %v, %v, want nothing", again, err)
		}
	}
	if err := CheckEqual(p.subs, subs); err != nil {
		t.Error(err)
	}
}

// testBelowLeader supports a skipped leader too late, by rounds of two vertices, which takes more faults than agreement
// tolerates. Even so a committed sequence never changes.
func testBelowLeader(t *testing.T) {
	dag := NewDAG(Committee(Equal(4)...), 50)
	dag.Leader = Pin(0)
	all, rest, pair := dag.Authors(0), []remora.Authority{1, 2, 3}, []remora.Authority{2, 3}
	for r, parents := range [][]remora.Authority{all, all, rest, pair, all} {
		authors := all
		if r+1 == 3 {
			authors = pair
		}
		for _, a := range authors {
			dag.Add(remora.Round(r+1), a, parents)
		}
	}
	rule := newRule(dag)
	if got, want := Brief(run(t, rule, dag.Certificates)), "r4.0[10]"; got != want {
		t.Fatalf("committed %q, want %q", got, want)
	}
	late := []*remora.Certificate{dag.Add(3, 0, all), dag.Add(3, 1, all)}
	if subs := run(t, rule, late); len(subs) > 0 || rule.LeaderRound() != 4 {
		t.Errorf("after leader 4, committed %q", Brief(subs))
	}
}

func testMissingParent(t *testing.T) {
	dag := parse(t, "r1-3: *").DAG
	rule := consensus.NewBullshark(dag.Config(), consensus.Snapshot{})
	missing := func(c *remora.Certificate) {
		t.Helper()
		subs, err := rule.Insert(c)
		if !errors.Is(err, consensus.ErrMissingParent) || subs != nil {
			t.Errorf("Insert(%s) = %v, %v, want ErrMissingParent", Name(&c.Header), subs, err)
		}
	}
	missing(dag.At(2, 0))
	for a := range remora.Authority(3) {
		if _, err := rule.Insert(dag.At(1, a)); err != nil {
			t.Fatal(err)
		}
	}
	missing(dag.At(2, 0)) // one of four is still missing
	forge := func(round remora.Round, change func(parents []remora.Parent)) *remora.Certificate {
		c := dag.Make(round, 3, 0, []remora.Authority{0, 1, 2})
		change(c.Header.Parents)
		c.Header.Seal(Domain)
		return c
	}
	missing(forge(2, func(p []remora.Parent) { p[2] = remora.Parent{Author: 3} }))
	missing(forge(2, func(p []remora.Parent) { p[2].Author = 4 }))
	missing(forge(2, func(p []remora.Parent) { p[2].Digest = p[1].Digest }))
	missing(forge(1, func(p []remora.Parent) { p[2].Digest[0]++ }))
	missing(forge(1, func(p []remora.Parent) { p[2].Author = 65535 }))
	if _, err := rule.Insert(dag.At(1, 3)); err != nil {
		t.Fatal(err)
	}
	if _, err := rule.Insert(dag.At(2, 0)); err != nil {
		t.Errorf("Insert after the parents: %v", err)
	}
}

// testStrangers inserts invalid certificates from a faulty caller: Insert may refuse them but never panics.
func testStrangers(t *testing.T) {
	p := play(t, parse(t, "leader 0\ngc 4\nr1-9: *"))
	stranger := p.dag.Make(10, 0, 0, nil)
	stranger.Header.Author = 4
	if _, err := p.rule.Insert(stranger); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("Insert of a certificate by nobody: %v, want ErrInvalid", err)
	}
	first := p.rule.GCRound() + 1
	above := p.dag.Make(first, 1, 0, nil)
	above.Header.Parents = []remora.Parent{{Author: 9, Digest: above.Digest()}}
	rule := consensus.NewBullshark(p.dag.Config(), consensus.Snapshot{Leader: first + 3, Previous: above.Digest()})
	if _, err := rule.Insert(above); !errors.Is(err, consensus.ErrMissingParent) {
		t.Errorf("Insert of a certificate with a parent by nobody: %v, want ErrMissingParent", err)
	}
}

// TestRounds follows the accessors and the bound of the memory.
func TestRounds(t *testing.T) {
	script := parse(t, "leader 0\ngc 4\nr1-41: *")
	rule := consensus.NewBullshark(script.DAG.Config(), consensus.Snapshot{})
	if rule.LeaderRound() != 0 || rule.GCRound() != 0 || rule.Previous() != Origin() {
		t.Errorf("a new rule stands at leader %d, collected %d, previous %s", rule.LeaderRound(), rule.GCRound(), rule.Previous())
	}
	for _, step := range script.Steps {
		subs, err := rule.Insert(step.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range subs {
			l := sub.Leader().Round
			if rule.LeaderRound() != l || rule.GCRound() != l-min(l, 4) || rule.Previous() != sub.Digest(Domain) {
				t.Errorf("after leader %d the rule stands at leader %d, collected %d", l, rule.LeaderRound(), rule.GCRound())
			}
		}
	}
	if rule.LeaderRound() != 40 {
		t.Errorf("41 full rounds end with leader %d, want 40", rule.LeaderRound())
	}
}
