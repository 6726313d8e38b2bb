package blocksync

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/trust"
)

const (
	questionsPerPeer = 2
	// pullTick is how often the puller looks at the time.
	pullTick = 50 * time.Millisecond
	// freshFor is how long a peer's word on its newest block counts, and askAgain after what time it is asked for blocks
	// above that one.
	freshFor = 500 * time.Millisecond
	askAgain = 100 * time.Millisecond
	// giveUpAfter ends a pull to which no peer contributes any more.
	giveUpAfter = 20 * time.Second
	// liarRest is how long a peer is left alone after a lie, longestRest after failures.
	liarRest    = time.Minute
	firstRest   = 100 * time.Millisecond
	longestRest = 2 * time.Second
)

// source is what a puller knows of a peer.
type source struct {
	busy     int // questions under way
	failures int // in a row
	rest     time.Time
	newest   remora.Height // certified block that it has, by its own claim
	told     time.Time     // when it claimed so
}

func (s *source) fail(now time.Time) {
	s.rest = now.Add(min(firstRest<<min(s.failures, 10), longestRest))
	s.failures++
}

// puller brings certified blocks from several peers at a time, in order. One that is slow, fails or lies is replaced.
type puller struct {
	self      remora.Authority
	committee *trust.Committee
	// ask returns a checked answer.
	ask     func(ctx context.Context, peer remora.Authority, request peers.RangeRequest) (*peers.Span, error)
	sources []source // by authority
	log     *slog.Logger

	schedule *Schedule
	answers  chan pulled
	heard    time.Time // when there was progress last
}

type pulled struct {
	peer remora.Authority
	from remora.Height
	span *peers.Span
	err  error
}

func newPuller(c *Config) *puller {
	return &puller{self: c.Self, committee: c.Committee, ask: c.Ask, sources: make([]source, c.Committee.Size()), log: c.Log}
}

// pullBlocks sends spans from a height on until authorities of a validity stake have no more, or nobody answers any longer. It
// closes out.
func (p *puller) pullBlocks(ctx context.Context, from remora.Height, out chan<- *peers.Span) {
	defer close(out)
	ctx, cancel := context.WithCancel(ctx)
	var questions sync.WaitGroup
	defer questions.Wait()
	defer cancel()
	p.schedule, p.heard = NewSchedule(from), time.Now()
	for i := range p.sources {
		p.sources[i].busy, p.sources[i].told = 0, time.Time{} // nothing is left of the last run but who misbehaved
	}
	p.answers = make(chan pulled, questionsPerPeer*len(p.sources))
	ticker := time.NewTicker(pullTick)
	defer ticker.Stop()
	for {
		p.askPeers(ctx, &questions)
		head, to := p.schedule.Head(), out
		if head == nil {
			if to = nil; p.hasEnded(time.Now()) {
				return
			}
		}
		select {
		case a := <-p.answers:
			p.takeAnswer(ctx, a)
		case to <- head:
			p.schedule.Pop()
			p.heard = time.Now()
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// askPeers asks every peer that has time.
func (p *puller) askPeers(ctx context.Context, questions *sync.WaitGroup) {
	now := time.Now()
	for a := range p.sources {
		peer, s := remora.Authority(a), &p.sources[a]
		for peer != p.self && s.busy < questionsPerPeer && !now.Before(s.rest) {
			newest := s.newest
			if now.Sub(s.told) > askAgain {
				newest = ^remora.Height(0)
			}
			from, count, ok := p.schedule.Assign(peer, newest, now)
			if !ok {
				break
			}
			s.busy++
			questions.Go(func() {
				got, err := p.ask(ctx, peer, peers.RangeRequest{From: from, Count: uint16(count)})
				p.answers <- pulled{peer: peer, from: from, span: got, err: err}
			})
		}
	}
}

func (p *puller) takeAnswer(ctx context.Context, a pulled) {
	now := time.Now()
	s := &p.sources[a.peer]
	s.busy--
	p.schedule.TakeAnswer(a.peer, a.from, a.span)
	switch {
	case ctx.Err() != nil:
	case errors.Is(a.err, peers.ErrLie):
		p.punish(a.peer, now)
		p.log.WarnContext(ctx, "refused blocks from a peer", slog.Int("authority", int(a.peer)),
			slog.Uint64("from", uint64(a.from)), slog.Any("reason", a.err))
	case a.err != nil:
		s.fail(now)
		if errors.Is(a.err, context.DeadlineExceeded) {
			p.schedule.Split(a.from)
		}
		p.log.DebugContext(ctx, "no blocks from a peer", slog.Int("authority", int(a.peer)), slog.Any("reason", a.err))
	default:
		s.failures, s.newest, s.told = 0, a.span.Newest, now
		if len(a.span.Blocks) > 0 {
			p.heard = now
		}
	}
}

// punish leaves a peer alone after a lie.
func (p *puller) punish(liar remora.Authority, now time.Time) {
	p.sources[liar].rest = now.Add(liarRest)
}

// hasEnded reports whether there is nothing more to wait for. One peer's claim decides nothing: an honest one is among a
// validity stake of them.
func (p *puller) hasEnded(now time.Time) bool {
	var stake remora.Amount
	for a := range p.sources {
		if s := &p.sources[a]; s.newest < p.schedule.base && now.Sub(s.told) < freshFor {
			stake += p.committee.Stake(remora.Authority(a))
		}
	}
	return stake >= p.committee.Validity() || now.Sub(p.heard) > giveUpAfter
}
