package consensus_test

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
)

func newRule(d *DAG) *consensus.Bullshark {
	return consensus.NewBullshark(d.Config(), consensus.Snapshot{})
}

func random(seed int) (*DAG, *rand.Rand) {
	rng := rand.New(rand.NewSource(int64(seed)))
	return Random(rng), rng
}

func run(t *testing.T, rule Rule, order []*remora.Certificate) []remora.SubDAG {
	t.Helper()
	subs, err := Run(rule, order)
	if err != nil {
		t.Fatal(err)
	}
	return subs
}

// seeds returns how many random DAGs a test tries.
func seeds(whole int) int {
	if testing.Short() {
		return whole / 10
	}
	return whole
}

// TestNaive compares the rule with the naive reference on random DAGs in random orders.
func TestNaive(t *testing.T) {
	leaders := 0
	for seed := range seeds(10_000) {
		dag, rng := random(seed)
		naive := NewNaive(dag)
		for _, c := range dag.Certificates {
			naive.Add(c)
		}
		got := run(t, newRule(dag), dag.Shuffled(rng))
		if err := CheckEqual(naive.Sequence(), got); err != nil {
			t.Fatalf("seed %d: reference against rule: %v", seed, err)
		}
		leaders += len(got)
	}
	if leaders < seeds(20_000) {
		t.Errorf("only %d leaders were committed: the random DAGs show too little", leaders)
	}
}

// TestNaiveInLockstep asks the reference after every single certificate: no commit comes late or early.
func TestNaiveInLockstep(t *testing.T) {
	for seed := range seeds(150) {
		dag, rng := random(1_000_000 + seed)
		naive, rule := NewNaive(dag), newRule(dag)
		var got []remora.SubDAG
		for i, c := range dag.Shuffled(rng) {
			naive.Add(c)
			got = append(got, run(t, rule, []*remora.Certificate{c})...)
			if err := CheckEqual(naive.Sequence(), got); err != nil {
				t.Fatalf("seed %d, certificate %d: %v", seed, i, err)
			}
		}
	}
}

// TestNaiveExhaustive tries every way in which the vertices of rounds 3 and 5 can leave out the leaders of rounds 2
// and 4, and those leaders any parent of rounds 3 and 5.
func TestNaiveExhaustive(t *testing.T) {
	everybody := []remora.Authority{0, 1, 2, 3}
	without := func(a int) []remora.Authority {
		return slices.DeleteFunc(slices.Clone(everybody), func(b remora.Authority) bool { return int(b) == a })
	}
	committee := Committee(Equal(4)...)
	outcomes := make(map[string]bool)
	for choice := range 16 * 5 * 16 * 5 {
		votes := []int{choice % 16, choice / 80 % 16}
		skipped := []int{choice / 16 % 5, choice / 1280} // 4: none
		dag := NewDAG(committee, 4)
		dag.Leader = Pin(0)
		for r := remora.Round(1); r <= 7; r++ {
			for _, a := range everybody {
				parents := everybody
				switch layer := int(r)/2 - 1; {
				case (r == 3 || r == 5) && votes[layer]>>a&1 == 0:
					parents = without(0)
				case (r == 4 || r == 6) && a == 0:
					parents = without(skipped[layer-1])
				}
				dag.Add(r, a, parents)
			}
		}
		naive := NewNaive(dag)
		for _, c := range dag.Certificates {
			naive.Add(c)
		}
		got := run(t, newRule(dag), dag.Certificates)
		if err := CheckEqual(naive.Sequence(), got); err != nil {
			t.Fatalf("choice %d: %v", choice, err)
		}
		outcomes[Brief(got)] = true
	}
	if len(outcomes) < 10 {
		t.Errorf("only %d different sequences", len(outcomes))
	}
}

// TestProperties checks properties that every commit rule must have, without a reference.
func TestProperties(t *testing.T) {
	t.Run("prefix_consistency", func(t *testing.T) {
		for seed := range seeds(1000) {
			dag, rng := random(3_000_000 + seed)
			want := run(t, newRule(dag), dag.Certificates)
			order := dag.Shuffled(rng)
			parts := [][]*remora.Certificate{order[:rng.Intn(len(order))]}
			for _, a := range dag.Authors(0) {
				parts = append(parts, dag.Below(a))
			}
			for _, part := range parts {
				got := run(t, newRule(dag), part)
				if len(got) > len(want) {
					t.Fatalf("seed %d: a part of the DAG commits more than all of it", seed)
				}
				if err := CheckPrefix(want, got); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		}
	})
	t.Run("no_vertex_twice", func(t *testing.T) { checkSequences(t, 4_000_000, (*DAG).CheckOnce) })
	t.Run("parent_before_child", func(t *testing.T) { checkSequences(t, 5_000_000, (*DAG).CheckParents) })
	t.Run("leader_has_path_to_the_one_before", func(t *testing.T) { checkSequences(t, 7_000_000, (*DAG).CheckChain) })
	t.Run("commit_implies_path_from_every_later_leader", func(t *testing.T) {
		for seed := range seeds(1000) {
			dag, rng := random(8_000_000 + seed)
			rule := newRule(dag)
			for _, c := range dag.Shuffled(rng) {
				subs := run(t, rule, []*remora.Certificate{c})
				if len(subs) == 0 {
					continue
				}
				if err := dag.CheckLinked(subs[len(subs)-1].Leader()); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		}
	})
}

// checkSequences checks a property of the sequences of random DAGs in random orders.
func checkSequences(t *testing.T, first int, check func(*DAG, []remora.SubDAG) error) {
	for seed := range seeds(1000) {
		dag, rng := random(first + seed)
		if err := check(dag, run(t, newRule(dag), dag.Shuffled(rng))); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// judge checks a rule against all properties, against itself in another order and against the reference.
func judge(dag *DAG, rng *rand.Rand, rule func() Rule) error {
	subs, err := Run(rule(), dag.Certificates)
	if err != nil {
		return err
	}
	shuffled, err := Run(rule(), dag.Shuffled(rng))
	if err != nil {
		return err
	}
	if err := CheckEqual(subs, shuffled); err != nil {
		return fmt.Errorf("order independence: %w", err)
	}
	if err := dag.CheckSequence(subs); err != nil {
		return err
	}
	naive := NewNaive(dag)
	for _, c := range dag.Certificates {
		naive.Add(c)
	}
	if err := CheckEqual(naive.Sequence(), subs); err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	return nil
}

// TestMutants shows that the properties notice rules with a flaw, and do not complain about one without.
func TestMutants(t *testing.T) {
	const tries = 200
	for _, flaw := range append(Flaws(), Sound) {
		t.Run(string(flaw), func(t *testing.T) {
			var err error
			seed := 0
			for ; err == nil && seed < tries; seed++ {
				dag, rng := random(6_000_000 + seed)
				err = judge(dag, rng, func() Rule { return NewMutant(dag, flaw) })
			}
			switch {
			case flaw == Sound && err != nil:
				t.Errorf("the control fails: %v", err)
			case flaw != Sound && err == nil:
				t.Errorf("survived %d random DAGs", tries)
			default:
				t.Logf("DAG %d: %v", seed, err)
			}
		})
	}
}
