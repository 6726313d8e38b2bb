package mempool_test

import (
	"slices"
	"testing"

	"github.com/remora-network/remora"
)

// load submits batches to the running nodes in turn, at a fixed interval, until a leader of the round is ordered.
func (c *cluster) load(round remora.Round, every, ticks int) {
	c.t.Helper()
	for i := 0; i < ticks; i++ {
		a := remora.Authority(i / every % len(c.nodes))
		if i%every == 0 && !c.nodes[a].down {
			c.submit(a)
		}
		c.tick()
		if !slices.ContainsFunc(c.nodes, func(n *node) bool { return !n.down && n.orderer.leader < round }) {
			return
		}
	}
	c.run(round, 0)
}

// drain ticks without load until everything submitted by running nodes is ordered.
func (c *cluster) drain(ticks int) {
	c.t.Helper()
	for range ticks {
		c.tick()
		if len(c.unordered()) == 0 {
			return
		}
	}
	c.t.Fatalf("batches never ordered: %s", batches(c.unordered()))
}

// unordered returns the batches of running nodes that no node ordered.
func (c *cluster) unordered() []remora.BatchRef {
	done := map[remora.Hash]bool{}
	for _, n := range c.nodes {
		for digest := range n.orderer.payload {
			done[digest] = true
		}
	}
	var left []remora.BatchRef
	for a, n := range c.nodes {
		for seq := uint64(1); seq <= n.seq && !n.down; seq++ {
			if ref := batch(remora.Authority(a), seq); !done[ref.Digest] {
				left = append(left, ref)
			}
		}
	}
	return left
}

func TestRunsWithoutFaults(t *testing.T) {
	for _, n := range []int{1, 2, 4, 7} {
		c := newCluster(t, n, 1)
		c.load(200, 2, 1200)
		c.drain(200)
		for a, n := range c.nodes {
			if n.core.GCRound() < 150 {
				t.Errorf("node %d forgot rounds up to %d only", a, n.core.GCRound())
			}
		}
	}
}

func TestRunsWithLoss(t *testing.T) {
	for seed := range int64(4) {
		c := newCluster(t, 4, seed)
		c.loss = 10
		c.load(200, 2, 20_000)
		c.loss = 0
		c.drain(2000)
	}
}

// Packets that take up to three rounds, overtake each other and get lost at times.
func TestRunsWithDelayAndReordering(t *testing.T) {
	for seed := range int64(4) {
		c := newCluster(t, 4, seed)
		c.delay, c.loss = 12, 3
		c.load(200, 2, 20_000)
		c.delay, c.loss = 0, 0
		c.drain(2000)
	}
}

func TestRunsWithOneDown(t *testing.T) {
	c := newCluster(t, 4, 1)
	c.crash(3)
	c.load(200, 2, 10_000)
	c.drain(500)
}

// A node that crashes again and again loses what it did not sync, yet never contradicts itself (cluster.inspect) and
// recovers.
func TestCrashesOfOne(t *testing.T) {
	for seed := range int64(4) {
		c := newCluster(t, 4, seed)
		c.loss = 2
		for round := remora.Round(8); round <= 200; round += 8 {
			a := remora.Authority(c.chance.Intn(4))
			c.crash(a)
			c.load(round-5, 2, 5000)
			c.start(a)
			c.resubmit(a)
			c.load(round, 2, 5000)
		}
		c.loss = 0
		c.drain(2000)
	}
}

// resubmit gives a restarted node its unordered batches again, as its worker would.
func (c *cluster) resubmit(a remora.Authority) {
	for _, ref := range c.unordered() {
		if stored(ref).Ref.Author == a {
			c.step(a, ready(ref))
		}
	}
}

// All nodes lose power at once, several times: nothing but the disks is left.
func TestCrashOfAll(t *testing.T) {
	for seed := range int64(4) {
		c := newCluster(t, 4, seed)
		for round := remora.Round(20); round <= 100; round += 20 {
			c.load(round, 1, 2000)
			c.cut = c.chance.Intn(30) // in the middle of a tick
			c.tick()
			for a := range remora.Authority(4) {
				c.crash(a)
			}
			c.cut = 0
			for a := range remora.Authority(4) {
				c.start(a)
				c.resubmit(a)
			}
		}
		c.load(130, 2, 2000)
		c.drain(1000)
	}
}

// Two halves without a quorum stand still, and go on when they meet.
func TestPartition(t *testing.T) {
	c := newCluster(t, 4, 1)
	c.load(20, 2, 1000)
	c.apart = func(a, b remora.Authority) bool { return a/2 != b/2 }
	before := c.nodes[0].core.Round()
	for range 500 {
		c.tick()
	}
	if after := c.nodes[0].core.Round(); after > before+1 {
		t.Errorf("half of the stake went from round %d to %d", before, after)
	}
	c.apart = nil
	c.load(c.nodes[0].orderer.leader+40, 2, 1000)
	c.drain(200)
}

// The minority of a partition that stayed within the window catches up through the DAG.
func TestMinorityCatchesUp(t *testing.T) {
	c := newCluster(t, 4, 1)
	c.load(20, 2, 1000)
	c.apart = func(a, b remora.Authority) bool { return a == 3 || b == 3 }
	for c.nodes[0].core.Round() < c.nodes[3].core.Round()+gcDepth-4 {
		c.submit(0)
		c.tick()
	}
	c.apart = nil
	c.load(60, 2, 1000)
	c.drain(200)
}

func TestRepeats(t *testing.T) {
	trace := func() string {
		c := newCluster(t, 4, 7)
		c.loss = 5
		c.load(40, 3, 10_000)
		c.crash(2)
		c.load(60, 3, 10_000)
		c.start(2)
		c.load(80, 3, 10_000)
		return c.trace.String()
	}
	if first, second := trace(), trace(); first != second {
		t.Error("the same run twice gives two traces")
	}
}

// TestIdleRoundsAreOfAll starts the authorities one after the other. They get into step; otherwise the rounds would leave
// out the same authorities forever.
func TestIdleRoundsAreOfAll(t *testing.T) {
	c := newCluster(t, 4, 1)
	for a := range c.nodes {
		c.crash(remora.Authority(a))
	}
	for _, a := range []remora.Authority{3, 0, 1, 2} {
		c.start(a)
		for range 25 {
			c.tick()
		}
	}
	const last = 40
	c.run(last, 100*(last+2))
	for r := remora.Round(10); r <= last; r++ {
		if n := len(c.nodes[0].orderer.vertices[r]); n != len(c.nodes) {
			t.Errorf("round %d has headers of %d", r, n)
		}
	}
}
