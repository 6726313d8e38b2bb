package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

const (
	// askTimeout is how long one cache may take for a range.
	askTimeout = 10 * time.Second
	// huntTimeout is how long all of them may.
	huntTimeout = 20 * time.Second
	// hedgeAfter is how long the others wait for a cache before the next one is asked as well.
	hedgeAfter = 2 * time.Second
	// maxAsked bounds the caches that are asked for a range at a time.
	maxAsked = 3
	// maxHedges bounds the caches that are asked, for all requests together, beside one that keeps them waiting: when
	// many wait it is the load that is to blame, and more of it does not help.
	maxHedges = 16
	// A cache that cannot be reached, or has lost its connection, is asked up to so often, with a pause: it may just be
	// starting. One that answers falsely or too late is not asked again.
	maxPasses = 3
	passPause = 400 * time.Millisecond
	// maxTried bounds what an error says about who was tried.
	maxTried = 16
)

// hunt looks for a range among the caches. The first that delivers it truly ends it.
type hunt struct {
	source    *source
	content   remora.Content
	rng       content.Range
	providers []transfer.Cache // those that were not asked yet
	failed    []transfer.Cache // those that may be asked again
	asking    []string         // names of those that are being asked
	outcomes  chan outcome
	failure   *failure
}

// outcome is what asking one cache came to.
type outcome struct {
	from   transfer.Cache
	answer []byte
	err    error
}

// ask gets a range from the first cache that delivers it truly, the ones that the chain assigns first. A cache that
// keeps others waiting gets company.
func (s *source) ask(ctx context.Context, c remora.Content, r content.Range) ([]byte, error) {
	providers, err := s.providers(c.Root)
	if err != nil {
		return nil, err
	}
	h := &hunt{
		source: s, content: c, rng: r, providers: providers, outcomes: make(chan outcome, maxPasses*len(providers)),
		failure: failed(http.StatusGatewayTimeout, "connect", "no cache that the chain knows delivers it"),
	}
	hunting, cancel := context.WithTimeout(ctx, huntTimeout)
	defer cancel() // those that are still asked are not waited for
	answer := h.run(hunting)
	for pass := 1; pass < maxPasses && answer == nil && h.again(hunting); pass++ {
		answer = h.run(hunting)
	}
	switch {
	case answer != nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	for _, name := range h.asking {
		h.blame(name, context.DeadlineExceeded)
	}
	return nil, h.failure
}

// run returns a true answer, or nil.
func (h *hunt) run(ctx context.Context) []byte {
	hedge := time.NewTicker(hedgeAfter)
	defer hedge.Stop()
	h.next(ctx, func() {})
	for len(h.asking) > 0 {
		select {
		case o := <-h.outcomes:
			if o.err == nil {
				return o.answer
			}
			h.blame(o.from.Name, o.err)
			h.forget(o.from.Name)
			if !errors.Is(o.err, errFalse) && !errors.Is(o.err, context.DeadlineExceeded) {
				h.failed = append(h.failed, o.from)
			}
			h.next(ctx, func() {})
		case <-hedge.C:
			select {
			case h.source.hedges <- struct{}{}:
				h.next(ctx, func() { <-h.source.hedges })
			default:
			}
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// again prepares another pass after a pause, and reports whether there is anybody to ask.
func (h *hunt) again(ctx context.Context) bool {
	if len(h.failed) == 0 {
		return false
	}
	pause := time.NewTimer(passPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return false
	}
	h.providers, h.failed = h.failed, nil
	return true
}

// next asks one more cache, if there is one and not too many are asked, and calls ended after that.
func (h *hunt) next(ctx context.Context, ended func()) {
	if len(h.providers) == 0 || len(h.asking) == maxAsked || ctx.Err() != nil {
		ended()
		return
	}
	p := h.providers[0]
	h.providers, h.asking = h.providers[1:], append(h.asking, p.Name)
	h.source.group.Go(func() {
		defer ended()
		answer, err := h.askOne(ctx, p)
		h.outcomes <- outcome{p, answer, err}
	})
}

func (h *hunt) askOne(ctx context.Context, p transfer.Cache) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c, r := h.content, h.rng
	request := remora.Encode(transfer.ContentRequest{Root: c.Root, Length: c.Length, Offset: r.Offset, Bytes: r.Length})
	answer, err := h.source.network.Ask(ctx, p, transfer.AskContent, request, transfer.MaxAnswer)
	if err != nil {
		return nil, err
	}
	if err := check(answer, c, r); err != nil {
		h.source.log.WarnContext(ctx, "a cache delivered false content", slog.String("cache", p.Name), slog.Any("reason", err))
		return nil, fmt.Errorf("%w: %w", errFalse, err)
	}
	return answer, nil
}

// errFalse says that a cache delivered something else than what it was asked for.
var errFalse = errors.New("false content")

// blame notes who failed how. The phase is the furthest that any cache came to.
func (h *hunt) blame(name string, err error) {
	f := h.failure
	switch {
	case errors.Is(err, errFalse):
		f.phase = "verify"
	case errors.Is(err, context.DeadlineExceeded) && f.phase == "connect":
		f.phase = "transfer"
	}
	if len(f.tried) < maxTried {
		f.tried = append(f.tried, fmt.Sprintf("%.64s: %.200s", name, err.Error()))
	}
}

func (h *hunt) forget(name string) {
	for i, asked := range h.asking {
		if asked == name {
			h.asking = append(h.asking[:i], h.asking[i+1:]...)
			return
		}
	}
}

// check verifies a stream to its last byte.
func check(stream []byte, c remora.Content, r content.Range) error {
	d, err := content.NewDecoder(bytes.NewReader(stream), c.Root, c.Length, r)
	if err != nil {
		return err
	}
	_, err = d.WriteTo(io.Discard)
	return err
}
