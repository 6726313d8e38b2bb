package consensus_test

import (
	"slices"

	"github.com/remora-network/remora"
)

// Flaw is a mistake of a commit rule. Some were made by real systems: Watermark by Sui (#5238), MergedLeaders by snarkOS
// (#2987).
type Flaw string

// The flaws of mutants.
const (
	Sound           Flaw = "none" // the control: every property must hold
	Watermark       Flaw = "highest round per author instead of a set of what was ordered"
	MergedLeaders   Flaw = "one sub-DAG for all leaders of a trigger"
	LocalGC         Flaw = "garbage collection by the node's own round"
	ShallowGC       Flaw = "garbage collection one round too high"
	WeakSupport     Flaw = "less than validity stake commits"
	Unsorted        Flaw = "order of arrival within a round"
	UnseededOrder   Flaw = "order by author within a round"
	DirectOnly      Flaw = "older leaders are not looked for"
	UnlinkedLeaders Flaw = "older leaders are committed without a path"
	Forgetful       Flaw = "what an older leader ordered is forgotten"
)

// Flaws returns all flaws but Sound.
func Flaws() []Flaw {
	return []Flaw{
		Watermark, MergedLeaders, LocalGC, ShallowGC, WeakSupport, Unsorted, UnseededOrder, DirectOnly,
		UnlinkedLeaders, Forgetful,
	}
}

// Mutant is a simple Bullshark that never forgets a certificate and has one flaw.
type Mutant struct {
	flaw     Flaw
	dag      *DAG // for committee, depth and leaders, and to find certificates once inserted
	inserted []*remora.Header
	highest  remora.Round
	leader   remora.Round
	previous remora.Hash
	ordered  map[remora.Hash]bool
	marks    map[remora.Authority]remora.Round // highest ordered round
}

// NewMutant returns a rule with a flaw for certificates of d.
func NewMutant(d *DAG, flaw Flaw) *Mutant {
	return &Mutant{
		flaw: flaw, dag: d, previous: Origin(),
		ordered: make(map[remora.Hash]bool), marks: make(map[remora.Authority]remora.Round),
	}
}

// Insert adds a certificate after its parents and returns the sub-DAGs that it commits.
func (m *Mutant) Insert(c *remora.Certificate) ([]remora.SubDAG, error) {
	m.inserted = append(m.inserted, &c.Header)
	m.highest = max(m.highest, c.Round())
	leader := m.dag.leaderAmong(slices.Values(m.inserted), c.Round()-1)
	if leader == nil || leader.Round <= m.leader || m.dag.supportAmong(slices.Values(m.inserted), leader) < m.supportNeeded() {
		return nil, nil
	}
	var subs []remora.SubDAG
	for _, l := range m.leaderChain(leader) {
		sub := remora.SubDAG{Previous: m.previous, Headers: m.orderHistory(l)}
		if m.flaw == MergedLeaders && len(subs) > 0 {
			first := &subs[0]
			first.Headers = append(first.Headers, sub.Headers...)
			m.previous = first.Digest(Domain)
			continue
		}
		m.previous = sub.Digest(Domain)
		subs = append(subs, sub)
	}
	m.leader = leader.Round
	return subs, nil
}

func (m *Mutant) supportNeeded() remora.Amount {
	if m.flaw == WeakSupport {
		return m.dag.Committee.Validity() - 1
	}
	return m.dag.Committee.Validity()
}

// leaderChain returns the uncommitted leaders up to the given one, oldest first.
func (m *Mutant) leaderChain(leader *remora.Header) []*remora.Header {
	chain := []*remora.Header{leader}
	if m.flaw == DirectOnly {
		return chain
	}
	for r := leader.Round - 1; r > m.leader; r-- {
		if l := m.dag.leaderAmong(slices.Values(m.inserted), r); l != nil && (m.flaw == UnlinkedLeaders || m.dag.hasPath(chain[0], l)) {
			chain = slices.Insert(chain, 0, l)
		}
	}
	return chain
}

// orderHistory returns the headers that a leader orders and marks them as ordered.
func (m *Mutant) orderHistory(leader *remora.Header) []*remora.Header {
	history := map[remora.Hash]bool{leader.Digest(): true}
	var headers []*remora.Header
	for r := leader.Round; r > 0; r-- {
		for _, h := range m.inserted {
			if h.Round != r || !history[h.Digest()] {
				continue
			}
			for _, p := range h.Parents {
				history[p.Digest] = true
			}
			if !m.skipsHeader(h, leader) {
				headers = append(headers, h)
			}
		}
	}
	m.noteOrdered(headers)
	m.sortHeaders(headers)
	return headers
}

func (m *Mutant) skipsHeader(h, leader *remora.Header) bool {
	at, depth := leader.Round, m.dag.GCDepth
	switch m.flaw {
	case LocalGC:
		at = m.highest
	case ShallowGC:
		depth--
	case Watermark:
		return h.Round <= m.marks[h.Author] || h.Round+depth <= at
	default:
	}
	return h != leader && h.Round+depth <= at || m.ordered[h.Digest()]
}

func (m *Mutant) noteOrdered(headers []*remora.Header) {
	if m.flaw == Forgetful {
		clear(m.ordered)
	}
	for _, h := range headers {
		m.ordered[h.Digest()] = true
		m.marks[h.Author] = max(m.marks[h.Author], h.Round)
	}
}

func (m *Mutant) sortHeaders(headers []*remora.Header) {
	slices.SortStableFunc(headers, func(a, b *remora.Header) int {
		switch {
		case a.Round != b.Round:
			return int(a.Round) - int(b.Round)
		case m.flaw == Unsorted:
			return 0
		case m.flaw == UnseededOrder:
			return int(a.Author) - int(b.Author)
		}
		ka, kb := remora.OrderKey(m.previous, a.Digest()), remora.OrderKey(m.previous, b.Digest())
		return slices.Compare(ka[:], kb[:])
	})
}
