package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

const (
	// askTimeout bounds one cache's time for a range, huntTimeout the time of all caches together.
	askTimeout  = 10 * time.Second
	huntTimeout = 20 * time.Second
	// hedgeAfter is the time after which another cache is asked beside a slow one.
	hedgeAfter = 2 * time.Second
	// maxAsked bounds the caches that are asked for a range at the same time.
	maxAsked = 3
	// maxHedges bounds the caches that are asked beside slow ones, for all requests together: when many are slow the
	// load is the cause, and more requests would add to it.
	maxHedges = 16
	// A cache that cannot be reached, or has lost its connection, is asked maxPasses times with pauses: it may be
	// starting. One that answers with false content or too late is not asked again.
	maxPasses = 3
	passPause = 400 * time.Millisecond
	// maxTried bounds the attempts that an error lists.
	maxTried = 16
)

// hunt looks for a range among the caches. It ends with the first answer that verifies.
type hunt struct {
	source    *source
	content   remora.Content
	rng       content.Range
	providers []transfer.Cache // not asked yet
	failed    []transfer.Cache // may be asked again
	asking    []string         // names of those being asked
	outcomes  chan outcome
	failure   *failure
}

// outcome is the answer of one cache, or the error.
type outcome struct {
	from   transfer.Cache
	answer []byte
	err    error
}

// askCaches returns a verified range from the first cache that delivers it. Caches to which the content is assigned are
// asked first; a slow one is hedged by the next.
func (s *source) askCaches(ctx context.Context, c remora.Content, r content.Range) ([]byte, error) {
	caches, err := s.chain.Caches()
	if err != nil {
		return nil, err
	}
	providers := transfer.OrderCaches(c.Root, caches)
	h := &hunt{
		source: s, content: c, rng: r, providers: providers, outcomes: make(chan outcome, maxPasses*len(providers)),
		failure: newFailure(http.StatusGatewayTimeout, "connect", "no registered cache delivered the content"),
	}
	hunting, cancel := context.WithTimeout(ctx, huntTimeout)
	defer cancel() // requests still under way are abandoned
	answer := h.searchCaches(hunting)
	for pass := 1; pass < maxPasses && answer == nil && h.awaitRetry(hunting); pass++ {
		answer = h.searchCaches(hunting)
	}
	switch {
	case answer != nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	for _, name := range h.asking {
		h.noteFailure(name, context.DeadlineExceeded)
	}
	return nil, h.failure
}

// searchCaches asks caches until one answer verifies or none is left, and returns that answer or nil.
func (h *hunt) searchCaches(ctx context.Context) []byte {
	hedge := time.NewTicker(hedgeAfter)
	defer hedge.Stop()
	h.askNext(ctx, func() {})
	for len(h.asking) > 0 {
		select {
		case o := <-h.outcomes:
			if o.err == nil {
				return o.answer
			}
			h.noteFailure(o.from.Name, o.err)
			i := slices.Index(h.asking, o.from.Name)
			h.asking = slices.Delete(h.asking, i, i+1)
			if !errors.Is(o.err, errFalse) && !errors.Is(o.err, context.DeadlineExceeded) {
				h.failed = append(h.failed, o.from)
			}
			h.askNext(ctx, func() {})
		case <-hedge.C:
			select {
			case h.source.hedges <- struct{}{}:
				h.askNext(ctx, func() { <-h.source.hedges })
			default:
			}
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// awaitRetry prepares another pass after a pause, and reports whether there is any cache to ask again.
func (h *hunt) awaitRetry(ctx context.Context) bool {
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

// askNext asks one more cache, unless none is left or maxAsked are being asked, and calls ended afterwards.
func (h *hunt) askNext(ctx context.Context, ended func()) {
	if len(h.providers) == 0 || len(h.asking) == maxAsked || ctx.Err() != nil {
		ended()
		return
	}
	p := h.providers[0]
	h.providers, h.asking = h.providers[1:], append(h.asking, p.Name)
	h.source.group.Go(func() {
		defer ended()
		answer, err := h.askCache(ctx, p)
		h.outcomes <- outcome{p, answer, err}
	})
}

func (h *hunt) askCache(ctx context.Context, p transfer.Cache) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c, r := h.content, h.rng
	request := remora.Encode(transfer.ContentRequest{Root: c.Root, Length: c.Length, Offset: r.Offset, Bytes: r.Length})
	answer, err := h.source.network.Ask(ctx, p, transfer.AskContent, request, transfer.MaxAnswer)
	if err != nil {
		return nil, err
	}
	if err := verifyStream(answer, c, r); err != nil {
		h.source.log.WarnContext(ctx, "a cache delivered false content", slog.String("cache", p.Name), slog.Any("reason", err))
		return nil, fmt.Errorf("%w: %w", errFalse, err)
	}
	return answer, nil
}

// errFalse says that a cache delivered content that does not verify.
var errFalse = errors.New("false content")

// noteFailure adds a cache's error to the failure, whose phase is the furthest that any cache reached.
func (h *hunt) noteFailure(name string, err error) {
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

// verifyStream verifies a stream up to its last byte.
func verifyStream(stream []byte, c remora.Content, r content.Range) error {
	d, err := content.NewDecoder(bytes.NewReader(stream), c.Root, c.Length, r)
	if err != nil {
		return err
	}
	_, err = d.WriteTo(io.Discard)
	return err
}
