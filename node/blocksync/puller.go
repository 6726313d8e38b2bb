package blocksync

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/peers"
)

// pullTick is the interval at which the puller checks for timeouts.
const pullTick = 50 * time.Millisecond

// puller runs a Pull, with a goroutine for every question.
type puller struct {
	pull *Pull
	// ask returns a checked answer.
	ask     func(ctx context.Context, peer remora.Authority, request peers.RangeRequest) (*peers.Span, error)
	log     *slog.Logger
	answers chan pulled
}

type pulled struct {
	question Question
	span     *peers.Span
	err      error
}

// pullBlocks sends the spans from a height on until the Pull has ended, and closes out.
func (p *puller) pullBlocks(ctx context.Context, from remora.Height, out chan<- *peers.Span) {
	defer close(out)
	ctx, cancel := context.WithCancel(ctx)
	var questions sync.WaitGroup
	defer questions.Wait()
	defer cancel()
	p.pull.Start(from, time.Now())
	p.answers = make(chan pulled, p.pull.MaxQuestions())
	ticker := time.NewTicker(pullTick)
	defer ticker.Stop()
	for {
		for _, q := range p.pull.Questions(time.Now()) {
			questions.Go(func() { p.askPeer(ctx, q) })
		}
		next, to := p.pull.Next(), out
		if next == nil {
			if to = nil; p.pull.HasEnded(time.Now()) {
				return
			}
		}
		select {
		case a := <-p.answers:
			p.takeAnswer(ctx, a)
		case to <- next:
			p.pull.Taken(time.Now())
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *puller) askPeer(ctx context.Context, q Question) {
	got, err := p.ask(ctx, q.Peer, peers.RangeRequest{From: q.From, Count: uint16(q.Count)})
	p.answers <- pulled{question: q, span: got, err: err}
}

func (p *puller) takeAnswer(ctx context.Context, a pulled) {
	if ctx.Err() != nil {
		return
	}
	p.pull.Answered(a.question, a.span, a.err, time.Now())
	if a.err == nil {
		return
	}
	level := slog.LevelDebug
	if errors.Is(a.err, peers.ErrLie) {
		level = slog.LevelWarn
	}
	p.log.Log(ctx, level, "no blocks from a peer", slog.Int("authority", int(a.question.Peer)),
		slog.Uint64("from", uint64(a.question.From)), slog.Any("reason", a.err))
}
