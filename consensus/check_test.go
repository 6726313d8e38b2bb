package consensus_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
)

// ErrViolation refuses a sequence that no correct commit rule produces.
var ErrViolation = errors.New("property violated")

// Rule is a commit rule under test.
type Rule interface {
	Insert(*remora.Certificate) ([]remora.SubDAG, error)
}

// Run inserts certificates in order and returns the sub-DAGs that they commit.
func Run(rule Rule, order []*remora.Certificate) ([]remora.SubDAG, error) {
	var all []remora.SubDAG
	for _, c := range order {
		subs, err := rule.Insert(c)
		if err != nil {
			return all, err
		}
		all = append(all, subs...)
	}
	return all, nil
}

// CheckPrefix fails unless one of two sequences begins with the other.
func CheckPrefix(a, b []remora.SubDAG) error {
	for i := range min(len(a), len(b)) {
		if a[i].Digest(Domain) != b[i].Digest(Domain) {
			return fmt.Errorf("%w: sub-DAG %d differs: %s and %s", ErrViolation, i, Brief(a[i:i+1]), Brief(b[i:i+1]))
		}
	}
	return nil
}

// CheckEqual fails unless two sequences are the same.
func CheckEqual(a, b []remora.SubDAG) error {
	if len(a) != len(b) {
		return fmt.Errorf("%w: %d sub-DAGs (%s) and %d (%s)", ErrViolation, len(a), Brief(a), len(b), Brief(b))
	}
	return CheckPrefix(a, b)
}

// CheckSequence fails on a sequence that breaks one of the properties below.
func (d *DAG) CheckSequence(subs []remora.SubDAG) error {
	return errors.Join(d.CheckChain(subs), d.CheckOnce(subs), d.CheckParents(subs))
}

// CheckChain fails if a sub-DAG does not name the one before, does not end with a leader, or if that leader has no path to
// the leader before it.
func (d *DAG) CheckChain(subs []remora.SubDAG) error {
	previous := Origin()
	for i, sub := range subs {
		leader := sub.Leader()
		if sub.Previous != previous {
			return fmt.Errorf("%w: sub-DAG %d does not follow the one before", ErrViolation, i)
		}
		previous = sub.Digest(Domain)
		if a, ok := d.LeaderOf(leader.Round); !ok || a != leader.Author {
			return fmt.Errorf("%w: sub-DAG %d ends with %s, which leads nothing", ErrViolation, i, Name(leader))
		}
		if i > 0 && !d.hasPath(leader, subs[i-1].Leader()) {
			return fmt.Errorf("%w: leader %d has no path to the one before", ErrViolation, i)
		}
	}
	return nil
}

// CheckOnce fails when a vertex is ordered twice.
func (d *DAG) CheckOnce(subs []remora.SubDAG) error {
	ordered := make(map[remora.Hash]bool)
	for i, sub := range subs {
		for _, h := range sub.Headers {
			if ordered[h.Digest()] {
				return fmt.Errorf("%w: sub-DAG %d orders %s again", ErrViolation, i, Name(h))
			}
			ordered[h.Digest()] = true
		}
	}
	return nil
}

// CheckParents fails if a vertex is ordered before a parent, or is GCDepth or more rounds below its leader. Only parents
// that far below may be missing.
func (d *DAG) CheckParents(subs []remora.SubDAG) error {
	ordered := make(map[remora.Hash]bool)
	for i, sub := range subs {
		horizon := sub.Leader().Round - min(sub.Leader().Round, d.GCDepth)
		for _, h := range sub.Headers {
			if h.Round <= horizon {
				return fmt.Errorf("%w: sub-DAG %d orders %s, which was to be collected", ErrViolation, i, Name(h))
			}
			for _, p := range h.Parents {
				if h.Round-1 > horizon && !ordered[p.Digest] {
					return fmt.Errorf("%w: sub-DAG %d orders %s before its parent of authority %d", ErrViolation, i, Name(h), p.Author)
				}
			}
			ordered[h.Digest()] = true
		}
	}
	return nil
}

// CheckLinked fails if a vertex two or more rounds above a supported leader has no path to it.
func (d *DAG) CheckLinked(leader *remora.Header) error {
	linked := map[remora.Hash]bool{leader.Digest(): true}
	for _, c := range d.Certificates {
		for _, p := range c.Header.Parents {
			linked[c.Digest()] = linked[c.Digest()] || linked[p.Digest]
		}
		if c.Round() > leader.Round+1 && !linked[c.Digest()] {
			return fmt.Errorf("%w: %s has no path to leader %s", ErrViolation, Name(&c.Header), Name(leader))
		}
	}
	return nil
}

func (d *DAG) hasPath(from, to *remora.Header) bool {
	layer := map[remora.Hash]bool{from.Digest(): true}
	for r := from.Round; r > to.Round; r-- {
		next := make(map[remora.Hash]bool)
		for digest := range layer {
			for _, p := range d.Find(digest).Header.Parents {
				next[p.Digest] = true
			}
		}
		layer = next
	}
	return layer[to.Digest()]
}

// SnapshotOf returns the snapshot of a node that has committed the given sub-DAGs.
func (d *DAG) SnapshotOf(subs []remora.SubDAG) consensus.Snapshot {
	var s consensus.Snapshot
	if len(subs) == 0 {
		return s
	}
	last := subs[len(subs)-1]
	s.Leader, s.Previous = last.Leader().Round, last.Digest(Domain)
	for _, sub := range subs {
		for _, h := range sub.Headers {
			if h.Round+d.GCDepth > s.Leader {
				s.Committed = append(s.Committed, consensus.Vertex{Round: h.Round, Author: h.Author, Digest: h.Digest()})
			}
		}
	}
	return s
}

// Name names a vertex by round and author, such as r2.0.
func Name(h *remora.Header) string { return fmt.Sprintf("r%d.%d", h.Round, h.Author) }

// Brief lists the leaders with the sizes of their sub-DAGs, such as "r2.0[5] r4.1[4]".
func Brief(subs []remora.SubDAG) string {
	parts := make([]string, len(subs))
	for i, sub := range subs {
		parts[i] = fmt.Sprintf("%s[%d]", Name(sub.Leader()), len(sub.Headers))
	}
	return strings.Join(parts, " ")
}
