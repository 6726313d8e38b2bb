package consensus

import (
	"fmt"
	"slices"

	"github.com/remora-network/remora"
)

// Config holds the constants that all nodes of a term share.
type Config struct {
	Committee *remora.Committee
	GCDepth   remora.Round // number of rounds that a leader orders, its own included; set by genesis, at least 4
	Origin    remora.Hash  // base of the term: see remora.GenesisParents
	// Leader returns the leader of a round and whether the round has one; odd rounds and round 0 never do. It is a pure
	// function of the round; nil means round robin (see the function Leader).
	Leader func(remora.Round) (remora.Authority, bool)
}

// Snapshot is the state of the rule after its last committed leader. The zero value is the beginning of a term.
type Snapshot struct {
	Leader   remora.Round // of the last committed leader
	Previous remora.Hash  // digest of its sub-DAG; zero before the first, which builds on Config.Origin
	// Committed lists every ordered vertex above Leader-GCDepth, in any order. Their certificates need not be inserted
	// again.
	Committed []Vertex
}

// Bullshark is the commit rule. Its memory is one entry per authority and round above GCRound, so it grows only while
// rounds pass without a commit.
type Bullshark struct {
	config   Config
	dag      *dag
	leader   remora.Round // of the last committed leader, 0 before the first
	previous remora.Hash  // digest of the last sub-DAG, the origin before the first
}

// NewBullshark returns the rule in the state of a snapshot. The caller inserts the uncommitted certificates above GCRound
// again.
func NewBullshark(config Config, s Snapshot) *Bullshark {
	if config.Leader == nil {
		config.Leader = func(r remora.Round) (remora.Authority, bool) { return Leader(config.Committee, r) }
	}
	b := &Bullshark{config: config, leader: s.Leader, previous: s.Previous}
	if s.Previous.IsZero() {
		b.previous = config.Origin
	}
	b.dag = newDAG(remora.GenesisParents(config.Committee, config.Origin), b.gcHorizon(s.Leader))
	for _, v := range s.Committed {
		if v.Round > b.dag.floor {
			b.dag.putVertex(v, nil)
		}
	}
	return b
}

// LeaderRound returns the round of the last committed leader, 0 before the first.
func (b *Bullshark) LeaderRound() remora.Round { return b.leader }

// GCRound returns the round up to which certificates are dropped and ignored.
func (b *Bullshark) GCRound() remora.Round { return b.dag.floor }

// Previous returns the digest that the next sub-DAG builds on.
func (b *Bullshark) Previous() remora.Hash { return b.previous }

// Insert adds a verified certificate and returns the sub-DAGs that it commits, oldest leader first, one per leader. It
// keeps the certificate, which must not be modified afterwards. Parents come before children (ErrMissingParent). Known
// certificates and those up to GCRound change nothing. After ErrEquivocation the node must halt.
func (b *Bullshark) Insert(c *remora.Certificate) ([]remora.SubDAG, error) {
	h := &c.Header
	if h.Round == 0 || !b.config.Committee.Has(h.Author) {
		return nil, fmt.Errorf("%w: certificate of round %d by authority %d: genesis or no member",
			remora.ErrInvalid, h.Round, h.Author)
	}
	if h.Round <= b.dag.floor {
		return nil, nil
	}
	v := Vertex{Round: h.Round, Author: h.Author, Digest: h.Digest()}
	if known, err := b.dag.isKnown(v); known {
		return nil, err
	}
	if err := b.dag.checkParents(h); err != nil {
		return nil, err
	}
	b.dag.putVertex(v, h)
	leader := b.electLeader(h)
	if leader == nil {
		return nil, nil
	}
	var subs []remora.SubDAG
	for _, l := range b.linkedLeaders(leader) {
		subs = append(subs, b.commitLeader(l))
	}
	return subs, nil
}

// electLeader counts h as support for the leader of the round before and returns that leader once a validity stake
// supports it. From then on every vertex two or more rounds above has a path to it, because each quorum of parents
// includes a supporter; so no node can commit a later leader without it.
func (b *Bullshark) electLeader(h *remora.Header) *remora.Header {
	round := h.Round - 1
	author, ok := b.config.Leader(round)
	if !ok || round <= b.leader {
		return nil
	}
	s := b.dag.slotAt(round, author)
	if s == nil || s.header == nil || !slices.Contains(h.Parents, remora.Parent{Author: author, Digest: s.digest}) {
		return nil
	}
	s.support += b.config.Committee.Stake(h.Author)
	if s.support < b.config.Committee.Validity() {
		return nil
	}
	return s.header
}

// linkedLeaders returns an elected leader and the uncommitted leaders linked to it, oldest first: each has a path from the
// next one. A leader that is not linked is skipped, here and at every other node.
func (b *Bullshark) linkedLeaders(leader *remora.Header) []*remora.Header {
	chain := []*remora.Header{leader}
	layer := chain
	for r := leader.Round - 1; r > b.leader; r-- {
		layer = b.dag.headersBy(r, b.dag.parentAuthors(layer))
		author, ok := b.config.Leader(r)
		if !ok {
			continue
		}
		if i := slices.IndexFunc(layer, func(h *remora.Header) bool { return h.Author == author }); i >= 0 {
			layer = layer[i : i+1]
			chain = append(chain, layer[0])
		}
	}
	slices.Reverse(chain)
	return chain
}

// commitLeader orders the new history of a leader and drops the rounds that no later leader can order.
func (b *Bullshark) commitLeader(leader *remora.Header) remora.SubDAG {
	horizon := b.gcHorizon(leader.Round)
	sub := remora.SubDAG{Headers: b.dag.lineariseHistory(leader, horizon, b.previous), Previous: b.previous}
	b.leader, b.previous = leader.Round, sub.Digest(b.config.Committee.Domain)
	b.dag.dropRounds(horizon)
	return sub
}

// gcHorizon returns the highest round that a leader of the given round does not order.
func (b *Bullshark) gcHorizon(leader remora.Round) remora.Round {
	return leader - min(leader, b.config.GCDepth)
}
