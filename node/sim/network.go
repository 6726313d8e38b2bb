package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/remora-network/remora"
)

// network decides whether and when a message arrives.
type network struct {
	model      Network
	chance     *rand.Rand
	partitions []*Fault
	oneWay     []*Fault
	slow       []float64 // by authority
	distance   [][]time.Duration
}

func newNetwork(s *Scenario) *network {
	n := &network{model: s.Network, chance: rand.New(rand.NewPCG(s.Seed, 1)), slow: slices.Repeat([]float64{1}, s.Validators)}
	if s.Network.Cities {
		n.distance = cityLatencies(s.Validators)
	}
	return n
}

// linkIsUp reports whether messages pass from one copy of a validator to another.
func (n *network) linkIsUp(from, to *host) bool {
	for _, p := range n.partitions {
		if from.partitionGroup(p) != to.partitionGroup(p) {
			return false
		}
	}
	return !slices.ContainsFunc(n.oneWay, func(f *Fault) bool { return f.From == from.self && f.To == to.self })
}

// partitionGroup returns the number of the group in which the copy stands. Who is in none is alone.
func (v *host) partitionGroup(p *Fault) int {
	g := slices.IndexFunc(p.Groups, func(g []remora.Authority) bool { return slices.Contains(g, v.self) })
	switch {
	case g < 0:
		return -1 - int(v.self)
	case v.twin:
		return (g + 1) % len(p.Groups)
	}
	return g
}

// drawCopies returns how often a message arrives, when the network is not timely yet.
func (n *network) drawCopies() int {
	if n.model.Drop > 0 && n.chance.Float64() < n.model.Drop {
		return 0
	}
	if n.model.Duplicate > 0 && n.chance.Float64() < n.model.Duplicate {
		return 2
	}
	return 1
}

// drawDelay draws how long a message takes.
func (n *network) drawDelay(from, to remora.Authority) time.Duration {
	low, high := n.model.Latency[0], n.model.Latency[1]
	d := low + time.Duration(n.chance.Int64N(int64(high-low)+1))
	if n.distance != nil {
		d += n.distance[from][to]
	}
	if factor := max(n.slow[from], n.slow[to]); factor > 1 {
		d = time.Duration(float64(d) * factor)
	}
	return d
}
