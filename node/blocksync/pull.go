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
	// freshFor is the time for which a peer's claim about its newest block counts. A peer with a claim older than askAgain
	// is asked for blocks above it.
	freshFor = 500 * time.Millisecond
	askAgain = 100 * time.Millisecond
	// giveUpAfter is the time without a new block after which a pull ends.
	giveUpAfter = 20 * time.Second
	// A peer is not asked for liarRest after a lie. After a failure it is not asked for firstRest, which doubles with each
	// further failure up to longestRest.
	liarRest    = time.Minute
	firstRest   = 100 * time.Millisecond
	longestRest = 2 * time.Second
)

// source is a Pull's record of a peer.
type source struct {
	busy     int // questions under way
	failures int // in a row
	rest     time.Time
	newest   remora.Height // certified block that the peer claims to have
	told     time.Time     // time of the claim; zero for none since the start
}

// Pull decides which peer is asked for which certified blocks, several peers at a time, and sorts the answers. It replaces
// peers that are slow, fail or lie. It has no goroutine and no clock: the owner sends the Questions, passes each outcome to
// Answered, and executes the answers from Next until HasEnded. The records of peers last from pull to pull.
type Pull struct {
	self      remora.Authority
	committee *remora.Committee
	sources   []source // by authority
	schedule  *schedule
	moved     time.Time // when an answer with blocks last came or was taken
}

// Question asks one peer for consecutive certified blocks.
type Question struct {
	Peer  remora.Authority
	From  remora.Height
	Count int
}

// NewPull returns a Pull of an authority. If self is not a member of the committee, all members are peers.
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

// Questions returns the questions to send now. Each counts as under way until Answered is called for it.
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

// Answered takes the outcome of a question: a checked answer or an error.
func (p *Pull) Answered(q Question, got *peers.Span, err error, now time.Time) {
	s := &p.sources[q.Peer]
	s.busy--
	p.schedule.takeAnswer(q.Peer, q.From, got)
	switch {
	case errors.Is(err, peers.ErrLie):
		p.Accuse(q.Peer, now)
	case err != nil:
		s.pauseSource(now)
		if errors.Is(err, context.DeadlineExceeded) {
			p.schedule.splitPart(q.From)
		}
	case len(got.Blocks) == 0 && got.Newest >= q.From:
		s.newest, s.told = q.From-1, now // it claims to have what it does not send
		s.pauseSource(now)
	default:
		s.failures, s.newest, s.told = 0, got.Newest, now
		if len(got.Blocks) > 0 {
			p.moved = now
		}
	}
}

// pauseSource lets a peer rest after a failure, longer after each one in a row.
func (s *source) pauseSource(now time.Time) {
	s.rest = now.Add(min(firstRest<<min(s.failures, 10), longestRest))
	s.failures++
}

// Accuse bars a peer with an invalid answer for liarRest.
func (p *Pull) Accuse(peer remora.Authority, now time.Time) { p.sources[peer].rest = now.Add(liarRest) }

// Next returns the answer to be executed next, nil if it has not come.
func (p *Pull) Next() *peers.Span { return p.schedule.nextSpan() }

// Taken confirms that the owner executes the answer of Next and has finished the one before.
func (p *Pull) Taken(now time.Time) {
	p.schedule.takeSpan()
	p.moved = now
}

// HasEnded reports whether the pull is over: authorities of a validity stake, at least one of them correct, have no more
// blocks, or no block came for giveUpAfter.
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
