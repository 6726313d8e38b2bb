package consensus_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/remora-network/remora"
)

// Naive is Bullshark as the paper describes it, slow on purpose: it keeps every certificate and computes the sequence
// from the beginning whenever it is asked. It shares no code with the rule that it checks.
type Naive struct {
	dag      *DAG // for committee, depth and leaders only
	vertices map[remora.Hash]*remora.Header
	highest  remora.Round
}

// NewNaive returns the reference for DAGs with the committee, depth and leaders of d.
func NewNaive(d *DAG) *Naive {
	return &Naive{dag: d, vertices: make(map[remora.Hash]*remora.Header)}
}

// Add adds a certificate after its parents.
func (n *Naive) Add(c *remora.Certificate) {
	n.vertices[c.Digest()] = &c.Header
	n.highest = max(n.highest, c.Round())
}

// Sequence returns the sub-DAGs that the certificates added so far commit.
func (n *Naive) Sequence() []remora.SubDAG {
	var leaders []*remora.Header
	var linked map[remora.Hash]bool // vertices to which the oldest leader so far has a path
	for r := n.highest; r > 0; r-- {
		leader := n.dag.leaderAmong(maps.Values(n.vertices), r)
		switch {
		case leader == nil:
		case len(leaders) == 0 && n.dag.supportAmong(maps.Values(n.vertices), leader) < n.dag.Committee.Validity():
		case len(leaders) > 0 && !linked[leader.Digest()]:
		default:
			linked = n.historyOf(leader)
			leaders = slices.Insert(leaders, 0, leader)
		}
	}
	var sequence []remora.SubDAG
	previous, ordered := Origin(), make(map[remora.Hash]bool)
	for _, leader := range leaders {
		sub := remora.SubDAG{Previous: previous}
		for digest := range n.historyOf(leader) {
			if h := n.vertices[digest]; !ordered[digest] && h.Round+n.dag.GCDepth > leader.Round {
				sub.Headers = append(sub.Headers, h)
				ordered[digest] = true
			}
		}
		slices.SortFunc(sub.Headers, func(a, b *remora.Header) int {
			if a.Round != b.Round {
				return int(a.Round) - int(b.Round)
			}
			return strings.Compare(
				remora.OrderKey(previous, a.Digest()).String(), remora.OrderKey(previous, b.Digest()).String())
		})
		sequence = append(sequence, sub)
		previous = sub.Digest(n.dag.Committee.Domain)
	}
	return sequence
}

// historyOf returns the digests of h and its ancestors.
func (n *Naive) historyOf(h *remora.Header) map[remora.Hash]bool {
	reached, todo := make(map[remora.Hash]bool), []remora.Hash{h.Digest()}
	for len(todo) > 0 {
		digest := todo[0]
		todo = todo[1:]
		if v := n.vertices[digest]; v != nil && !reached[digest] {
			reached[digest] = true
			for _, p := range v.Parents {
				todo = append(todo, p.Digest)
			}
		}
	}
	return reached
}
