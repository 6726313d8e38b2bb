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
	// partBytes is what one question asks for, by the size of the last blocks: small enough that a slow peer holds up
	// little, large enough that a round trip does not count.
	partBytes = 4 << 20
	// hedgeAfter is how long one peer alone is asked for the blocks that execution waits for.
	hedgeAfter = time.Second
)

// schedule cuts the heights from base on into parts, each asked of one peer, and puts the answers in order. It belongs to
// one goroutine.
type schedule struct {
	base  remora.Height // of the first part
	parts []part        // ascending, without gaps
	count int           // blocks of a new part
	lent  int           // bytes of the answer handed out last
	asked int           // questions under way
}

// part is a range of heights.
type part struct {
	from  remora.Height
	count int
	by    []remora.Authority // who is asked for it
	since time.Time          // when the first of them was
	span  *peers.Span        // the answer, nil until it came
}

// newSchedule returns a schedule of the heights from one on.
func newSchedule(from remora.Height) *schedule { return &schedule{base: from, count: 16} }

// heldBytes returns the bytes that answers take or may come to take.
func (s *schedule) heldBytes() int {
	total := s.lent + s.asked*peers.MaxAnswer
	for i := range s.parts {
		if span := s.parts[i].span; span != nil {
			total += span.Bytes
		}
	}
	return total
}

// assignPart returns what to ask a peer that has blocks up to newest, and whether there is anything: the lowest part that
// nobody is asked for, or the first one if whoever was asked is slow, or a new one.
func (s *schedule) assignPart(peer remora.Authority, newest remora.Height, now time.Time) (from remora.Height, count int, ok bool) {
	p := s.pickPart(peer, now)
	room := syncBudget - s.heldBytes() - peers.MaxAnswer
	if p.from != s.base {
		room -= peers.MaxAnswer // there is always room to ask for what execution waits for
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

// takeAnswer takes what a peer answered to a question for the heights from from on; nil or an empty span if it failed.
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

// splitPart halves a part whose answer did not come in time, and with it what new questions ask for.
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

// nextSpan returns the answer that execution takes next, nil when it has not come.
func (s *schedule) nextSpan() *peers.Span {
	if len(s.parts) == 0 {
		return nil
	}
	return s.parts[0].span
}

// takeSpan hands the head out: whoever takes it is done with the one before.
func (s *schedule) takeSpan() {
	s.lent = s.parts[0].span.Bytes
	s.base += remora.Height(s.parts[0].count)
	s.parts = s.parts[1:]
}
