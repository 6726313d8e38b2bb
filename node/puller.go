package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/remora-network/remora"
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
	ask     func(ctx context.Context, peer remora.Authority, request rangeRequest) (*span, error)
	sources []source // by authority
	log     *slog.Logger

	schedule *schedule
	answers  chan pulled
	heard    time.Time // when there was progress last
}

type pulled struct {
	peer remora.Authority
	from remora.Height
	span *span
	err  error
}

func newPuller(
	self remora.Authority, c *trust.Committee, ask func(context.Context, remora.Authority, rangeRequest) (*span, error), log *slog.Logger,
) *puller {
	return &puller{self: self, committee: c, ask: ask, sources: make([]source, c.Size()), log: log}
}

// run sends spans from a height on until authorities of a validity stake have no more, or nobody answers any longer. It
// closes out.
func (p *puller) run(ctx context.Context, from remora.Height, out chan<- *span) {
	defer close(out)
	ctx, cancel := context.WithCancel(ctx)
	var questions sync.WaitGroup
	defer questions.Wait()
	defer cancel()
	p.schedule, p.heard = newSchedule(from), time.Now()
	for i := range p.sources {
		p.sources[i].busy, p.sources[i].told = 0, time.Time{} // nothing is left of the last run but who misbehaved
	}
	p.answers = make(chan pulled, questionsPerPeer*len(p.sources))
	ticker := time.NewTicker(pullTick)
	defer ticker.Stop()
	for {
		p.dispatch(ctx, &questions)
		head, to := p.schedule.head(), out
		if head == nil {
			if to = nil; p.ended(time.Now()) {
				return
			}
		}
		select {
		case a := <-p.answers:
			p.take(ctx, a)
		case to <- head:
			p.schedule.pop()
			p.heard = time.Now()
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// dispatch asks every peer that has time.
func (p *puller) dispatch(ctx context.Context, questions *sync.WaitGroup) {
	now := time.Now()
	for a := range p.sources {
		peer, s := remora.Authority(a), &p.sources[a]
		for peer != p.self && s.busy < questionsPerPeer && !now.Before(s.rest) {
			newest := s.newest
			if now.Sub(s.told) > askAgain {
				newest = ^remora.Height(0)
			}
			from, count, ok := p.schedule.assign(peer, newest, now)
			if !ok {
				break
			}
			s.busy++
			questions.Go(func() {
				got, err := p.ask(ctx, peer, rangeRequest{From: from, Count: uint16(count)})
				p.answers <- pulled{peer: peer, from: from, span: got, err: err}
			})
		}
	}
}

func (p *puller) take(ctx context.Context, a pulled) {
	now := time.Now()
	s := &p.sources[a.peer]
	s.busy--
	p.schedule.answered(a.peer, a.from, a.span)
	switch {
	case ctx.Err() != nil:
	case errors.Is(a.err, errLie):
		s.rest = now.Add(liarRest)
		p.log.WarnContext(ctx, "refused blocks from a peer", slog.Int("authority", int(a.peer)),
			slog.Uint64("from", uint64(a.from)), slog.Any("reason", a.err))
	case a.err != nil:
		s.fail(now)
		if errors.Is(a.err, context.DeadlineExceeded) {
			p.schedule.split(a.from)
		}
		p.log.DebugContext(ctx, "no blocks from a peer", slog.Int("authority", int(a.peer)), slog.Any("reason", a.err))
	default:
		s.failures, s.newest, s.told = 0, a.span.newest, now
		if len(a.span.blocks) > 0 {
			p.heard = now
		}
	}
}

// ended reports whether there is nothing more to wait for. One peer's claim decides nothing: an honest one is among a
// validity stake of them.
func (p *puller) ended(now time.Time) bool {
	var stake remora.Amount
	for a := range p.sources {
		if s := &p.sources[a]; s.newest < p.schedule.base && now.Sub(s.told) < freshFor {
			stake += p.committee.Stake(remora.Authority(a))
		}
	}
	return stake >= p.committee.Validity() || now.Sub(p.heard) > giveUpAfter
}
