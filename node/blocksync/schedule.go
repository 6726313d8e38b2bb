package blocksync

import (
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/peers"
)

const (
	// syncBudget bounds the bytes of blocks that wait for execution and of answers that may be on their way.
	syncBudget = 128 << 20
	// partBytes is the size of an answer that a question aims at, by the size of the last blocks: small enough that a slow
	// peer delays little, large enough that the round trip does not matter.
	partBytes = 4 << 20
	// hedgeAfter is the time after which a second peer is asked for the blocks that execution waits for.
	hedgeAfter = time.Second
)

// schedule divides the heights from base on into parts, requests each from one peer, and sorts the answers. It belongs to
// one goroutine.
type schedule struct {
	base  remora.Height // of the first part
	parts []part        // ascending, without gaps
	count int           // blocks of a new part
	lent  int           // bytes of the answer that is being executed
	asked int           // questions under way
}

// part is a range of heights.
type part struct {
	from  remora.Height
	count int
	by    []remora.Authority // peers that are being asked for it
	since time.Time          // when the first of them was asked
	span  *peers.Span        // the answer, nil until it comes
}

// newSchedule returns a schedule of the heights that start at from.
func newSchedule(from remora.Height) *schedule { return &schedule{base: from, count: 16} }

// heldBytes returns the bytes of the answers that are here, and the most bytes of those that are under way.
func (s *schedule) heldBytes() int {
	total := s.lent + s.asked*peers.MaxAnswer
	for i := range s.parts {
		if span := s.parts[i].span; span != nil {
			total += span.Bytes
		}
	}
	return total
}

// assignPart returns a part to request from a peer that has blocks up to newest, and whether there is one: the first part
// if the peer asked for it is slow, else the lowest part that no peer is asked for, else a new one.
func (s *schedule) assignPart(peer remora.Authority, newest remora.Height, now time.Time) (from remora.Height, count int, ok bool) {
	p := s.pickPart(peer, now)
	room := syncBudget - s.heldBytes() - peers.MaxAnswer
	if p.from != s.base {
		room -= peers.MaxAnswer // keep room for the blocks that execution waits for
	}
	if p.from > newest || room < 0 {
		return 0, 0, false
	}
	if len(p.by) == 0 {
		p.since = now
	}
	p.by = append(p.by, peer)
	s.asked++
	return p.from, p.count, true
}

func (s *schedule) pickPart(peer remora.Authority, now time.Time) *part {
	for i := range s.parts {
		p := &s.parts[i]
		if p.span != nil || slices.Contains(p.by, peer) {
			continue
		}
		if len(p.by) == 0 || i == 0 && now.Sub(p.since) > hedgeAfter {
			return p
		}
	}
	next := s.base
	if n := len(s.parts); n > 0 {
		next = s.parts[n-1].from + remora.Height(s.parts[n-1].count)
	}
	s.parts = append(s.parts, part{from: next, count: s.count})
	return &s.parts[len(s.parts)-1]
}

// takeAnswer takes a peer's answer to a question that starts at from. It is nil or empty if the peer failed.
func (s *schedule) takeAnswer(peer remora.Authority, from remora.Height, got *peers.Span) {
	s.asked--
	i := slices.IndexFunc(s.parts, func(p part) bool { return p.from == from })
	if i < 0 || s.parts[i].span != nil {
		return // another peer was faster
	}
	p := &s.parts[i]
	p.by = slices.DeleteFunc(p.by, func(a remora.Authority) bool { return a == peer })
	if got == nil || len(got.Blocks) == 0 {
		return
	}
	p.span = got
	s.count = min(max(partBytes*len(got.Blocks)/max(got.Bytes, 1), 1), peers.MaxBlockRange)
	if rest := p.count - len(got.Blocks); rest > 0 {
		p.count = len(got.Blocks)
		s.parts = slices.Insert(s.parts, i+1, part{from: from + remora.Height(p.count), count: rest})
	}
}

// splitPart halves a part whose answer did not come in time, and the size of new parts.
func (s *schedule) splitPart(from remora.Height) {
	s.count = max(s.count/2, 1)
	i := slices.IndexFunc(s.parts, func(p part) bool { return p.from == from })
	if i < 0 || s.parts[i].span != nil || s.parts[i].count == 1 || len(s.parts[i].by) > 0 {
		return
	}
	rest := s.parts[i].count / 2
	s.parts[i].count -= rest
	s.parts = slices.Insert(s.parts, i+1, part{from: from + remora.Height(s.parts[i].count), count: rest})
}

// nextSpan returns the answer to be executed next, nil if it has not come.
func (s *schedule) nextSpan() *peers.Span {
	if len(s.parts) == 0 {
		return nil
	}
	return s.parts[0].span
}

// takeSpan removes the first answer for execution. The caller has finished the one before.
func (s *schedule) takeSpan() {
	s.lent = s.parts[0].span.Bytes
	s.base += remora.Height(s.parts[0].count)
	s.parts = s.parts[1:]
}
