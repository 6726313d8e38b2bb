package validator

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/p2p"
)

// sealed is a certificate of which only the aggregate is unproven, with who sent it and its frame.
type sealed struct {
	from        remora.Authority
	certificate *remora.Certificate
	frame       p2p.Message
}

// sorting tells the certificates of a batch apart: those that hold, those that do not, and those that were not checked
// because their sender had sent one of the latter.
type sorting struct {
	prove            func([]sealed) bool // checks all together
	good, bad, aside []sealed
	blamed           map[remora.Authority]bool
}

// sortBatch checks a batch, together if all of it holds, else by halves: who spoils a batch costs it a few equations, once.
func sortBatch(batch []sealed, prove func([]sealed) bool) *sorting {
	s := &sorting{prove: prove, blamed: map[remora.Authority]bool{}}
	s.sortPart(batch, false)
	return s
}

// sortPart sorts a part of the batch. Of one that fails it is known that it does not hold together.
func (s *sorting) sortPart(part []sealed, fails bool) {
	part, removed := s.leaveOut(part)
	if len(part) == 0 {
		return
	}
	if (!fails || removed) && s.prove(part) {
		s.good = append(s.good, part...)
		return
	}
	if len(part) == 1 {
		s.bad = append(s.bad, part[0])
		s.blamed[part[0].from] = true
		return
	}
	half := len(part) / 2
	held := len(s.good)
	s.sortPart(part[:half], false)
	s.sortPart(part[half:], len(s.good) == held+half)
}

// leaveOut sets the messages of those aside who are blamed by now, and reports whether there are any.
func (s *sorting) leaveOut(part []sealed) (rest []sealed, removed bool) {
	if len(s.blamed) == 0 {
		return part, false
	}
	for _, m := range part {
		if s.blamed[m.from] {
			s.aside = append(s.aside, m)
			continue
		}
		rest = append(rest, m)
	}
	return rest, len(rest) < len(part)
}
