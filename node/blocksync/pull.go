package blocksync

import (
	"context"
	"errors"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/peers"
)

const (
	questionsPerPeer = 2
	// freshFor is how long a peer's claim about its newest block counts; askAgain is the age from which a peer is asked
	// for blocks above its claim.
	freshFor = 500 * time.Millisecond
	askAgain = 100 * time.Millisecond
	// giveUpAfter ends a pull to which no peer contributes any more.
	giveUpAfter = 20 * time.Second
	// liarRest is how long a peer is not asked after a lie, longestRest after failures.
	liarRest    = time.Minute
	firstRest   = 100 * time.Millisecond
	longestRest = 2 * time.Second
)

// source is a peer as a Pull sees it.
type source struct {
	busy     int // questions under way
	failures int // in a row
	rest     time.Time
	newest   remora.Height // certified block that the peer claims to have
	told     time.Time     // when it claimed so; zero: not since the start
}

// Pull decides which peer is asked for which certified blocks, several peers at a time, and puts the answers in order. A
// peer that is slow, fails or lies is replaced. It has no goroutine and no clock: its owner sends what Questions returns,
// passes each outcome to Answered, and executes what Next returns until HasEnded. A peer's record lasts over pulls.
type Pull struct {
	self      remora.Authority
	committee *remora.Committee
	sources   []source // by authority
	schedule  *schedule
	moved     time.Time // when an answer with blocks came, or was taken, last
}

// Question asks one peer for consecutive certified blocks.
type Question struct {
	Peer  remora.Authority
	From  remora.Height
	Count int
}

// NewPull returns a Pull of an authority; self may be no member: then all of them are peers.
func NewPull(self remora.Authority, c *remora.Committee) *Pull {
	return &Pull{self: self, committee: c, sources: make([]source, c.Size())}
}

// Start begins a pull of the blocks from a height on. Answers to questions of an earlier pull must not reach Answered.
func (p *Pull) Start(from remora.Height, now time.Time) {
	p.schedule, p.moved = newSchedule(from), now
	for i := range p.sources {
		p.sources[i].busy, p.sources[i].told = 0, time.Time{}
	}
}

// MaxQuestions returns the most questions that are under way at a time.
func (p *Pull) MaxQuestions() int { return questionsPerPeer * len(p.sources) }

// Questions returns what to ask now. Each question counts as under way until Answered is called for it.
func (p *Pull) Questions(now time.Time) []Question {
	var questions []Question
	for a := range p.sources {
		peer, s := remora.Authority(a), &p.sources[a]
		for peer != p.self && s.busy < questionsPerPeer && !now.Before(s.rest) {
			newest := s.newest
			if now.Sub(s.told) > askAgain {
				newest = ^remora.Height(0)
			}
			from, count, ok := p.schedule.assignPart(peer, newest, now)
			if !ok {
				break
			}
			s.busy++
			questions = append(questions, Question{Peer: peer, From: from, Count: count})
		}
	}
	return questions
}

// Answered takes the outcome of a question: a checked answer, or why there is none.
func (p *Pull) Answered(q Question, got *peers.Span, err error, now time.Time) {
	s := &p.sources[q.Peer]
	s.busy--
	p.schedule.takeAnswer(q.Peer, q.From, got)
	switch {
	case errors.Is(err, peers.ErrLie):
		p.Accuse(q.Peer, now)
	case err != nil:
		s.rest = now.Add(min(firstRest<<min(s.failures, 10), longestRest))
		s.failures++
		if errors.Is(err, context.DeadlineExceeded) {
			p.schedule.splitPart(q.From)
		}
	default:
		s.failures, s.newest, s.told = 0, got.Newest, now
		if len(got.Blocks) > 0 {
			p.moved = now
		}
	}
}

// Accuse leaves a peer alone whose answer does not hold.
func (p *Pull) Accuse(peer remora.Authority, now time.Time) { p.sources[peer].rest = now.Add(liarRest) }

// Next returns the answer that is executed next, nil when it has not come.
func (p *Pull) Next() *peers.Span { return p.schedule.nextSpan() }

// Taken says that the answer of Next is being executed, and the one before it has been.
func (p *Pull) Taken(now time.Time) {
	p.schedule.takeSpan()
	p.moved = now
}

// HasEnded reports whether there is nothing to wait for: authorities of a validity stake, at least one of them correct, say
// that they have no more, or no peer contributes any longer.
func (p *Pull) HasEnded(now time.Time) bool {
	if p.Next() != nil {
		return false
	}
	var stake remora.Amount
	for a := range p.sources {
		if s := &p.sources[a]; s.newest < p.schedule.base && now.Sub(s.told) < freshFor {
			stake += p.committee.Stake(remora.Authority(a))
		}
	}
	return stake >= p.committee.Validity() || now.Sub(p.moved) > giveUpAfter
}
