package consensus_test

import (
	"math/rand"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
)

// How many DAGs are delivered in how many orders each.
const (
	orderDAGs = 200
	orders    = 1000
)

// end is where a sequence ends. Digests chain sub-DAGs, so equal ends are equal sequences.
type end struct {
	leader   remora.Round
	previous remora.Hash
	subs     int
}

// receiver is a node that receives certificates and sometimes restarts.
type receiver struct {
	t     *testing.T
	dag   *DAG
	rule  *consensus.Bullshark
	subs  []remora.SubDAG
	store []*remora.Certificate
}

func newReceiver(t *testing.T, dag *DAG) *receiver {
	return &receiver{t: t, dag: dag, rule: newRule(dag)}
}

func (r *receiver) insert(c *remora.Certificate) {
	subs, err := r.rule.Insert(c)
	if err != nil {
		r.t.Fatalf("Insert(%s): %v", Name(&c.Header), err)
	}
	r.subs = append(r.subs, subs...)
}

// restart builds a new rule as a node does from its disk: from what is ordered and from all certificates above the
// garbage collection round, by round and author, ordered or not.
func (r *receiver) restart() {
	r.rule = consensus.NewBullshark(r.dag.Config(), r.dag.SnapshotOf(r.subs))
	slices.SortFunc(r.store, func(a, b *remora.Certificate) int {
		if a.Round() != b.Round() {
			return int(a.Round()) - int(b.Round())
		}
		return int(a.Author()) - int(b.Author())
	})
	for _, c := range r.store {
		if c.Round() > r.rule.GCRound() {
			r.insert(c)
		}
	}
}

// receive takes an order in chunks that end with a restart; a size of 0 means one chunk and none.
func (r *receiver) receive(order []*remora.Certificate, chunk int) end {
	for i, c := range order {
		r.insert(c)
		if chunk == 0 {
			continue
		}
		r.store = append(r.store, c)
		if i%chunk == chunk-1 {
			r.restart()
		}
	}
	return end{r.rule.LeaderRound(), r.rule.Previous(), len(r.subs)}
}

// chunk draws how often a node restarts: in one of four runs, after chunks of any size.
func chunk(rng *rand.Rand, certificates int) int {
	if rng.Intn(4) > 0 {
		return 0
	}
	return 1 + rng.Intn(certificates)
}

// TestOrders delivers the same DAG in many orders: the sequence is always the same.
func TestOrders(t *testing.T) {
	t.Run("order_independence", testOrderIndependence)
	t.Run("gc_edge_permutations", testGCEdge)
}

func testOrderIndependence(t *testing.T) {
	committed := 0
	for seed := range seeds(orderDAGs) {
		rng := rand.New(rand.NewSource(int64(10_000_000 + seed)))
		dag := RandomOf(rng, 4+seed%4, 16)
		drawn := dag.Orders()
		first := newReceiver(t, dag)
		want := first.receive(dag.Certificates, 0)
		if err := dag.CheckSequence(first.subs); err != nil {
			t.Fatalf("DAG %d: %v", seed, err)
		}
		committed += want.subs
		for order := range seeds(orders) {
			r := newReceiver(t, dag)
			if got := r.receive(drawn.Draw(rng, nil), chunk(rng, len(dag.Certificates))); got != want {
				t.Fatalf("DAG %d, order %d: %v", seed, order, CheckEqual(first.subs, r.subs))
			}
		}
	}
	if committed < 2*seeds(orderDAGs) {
		t.Errorf("only %d leaders were committed: the random DAGs show too little", committed)
	}
}

// testGCEdge has the certificates of one authority come as late as they can, around the round from which a leader
// orders them: some nodes have them in time, others have forgotten their round.
func testGCEdge(t *testing.T) {
	late := make(map[int]int) // by distance from the edge: certificates that came then
	for seed := range seeds(orderDAGs) {
		rng := rand.New(rand.NewSource(int64(20_000_000 + seed)))
		dag := Straggler(rng, 4+seed/5%4, seed%5-3)
		drawn := dag.Orders()
		first := newReceiver(t, dag)
		want := first.receive(dag.Certificates, 0)
		if err := dag.CheckSequence(first.subs); err != nil {
			t.Fatalf("DAG %d: %v", seed, err)
		}
		countEdges(t, dag, drawn.Draw(rng, stragglesUpTo(30)), late)
		for order := range seeds(orders) / 4 {
			arrivals := drawn.Draw(rng, stragglesUpTo(remora.Round(rng.Intn(30))))
			r := newReceiver(t, dag)
			if got := r.receive(arrivals, chunk(rng, len(arrivals))); got != want {
				t.Fatalf("DAG %d, order %d: %v", seed, order, CheckEqual(first.subs, r.subs))
			}
		}
	}
	for distance := -1; distance <= 1; distance++ {
		if late[distance] == 0 {
			t.Errorf("no certificate came %d rounds from the edge of garbage collection: %v", distance, late)
		}
	}
}

// stragglesUpTo makes late what the first authority certifies up to a round.
func stragglesUpTo(round remora.Round) func(*remora.Certificate) bool {
	return func(c *remora.Certificate) bool { return c.Author() == 0 && c.Round() <= round }
}

// countEdges counts at which distance from the edge of garbage collection the certificates of the first authority come:
// at 0 in the highest round that is forgotten, at 1 in the lowest one that can still be ordered.
func countEdges(t *testing.T, dag *DAG, order []*remora.Certificate, counts map[int]int) {
	r := newReceiver(t, dag)
	for _, c := range order {
		if c.Author() == 0 && r.rule.GCRound() > 0 {
			counts[int(c.Round())-int(r.rule.GCRound())]++
		}
		r.insert(c)
	}
}
