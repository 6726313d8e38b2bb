package gateway

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

const (
	// maxWarmers bounds the contents that are copied into the gateway's own store at the same time.
	maxWarmers = 2
	warmTime   = 10 * time.Minute
	// maxOffers bounds the ranges that a warmer holds ahead of their turn, offerWait the time for which it waits for the
	// next one.
	maxOffers = 4
	offerWait = 50 * time.Millisecond
)

// warmer copies one content into the gateway's own store. It takes the ranges that clients are served meanwhile, so
// that caches are not asked for them twice.
type warmer struct {
	offers chan offer
	wait   time.Duration    // for the next offer
	ahead  map[uint64]offer // by offset; at most maxOffers; owned by fillStore
	alone  bool             // the last wait brought no offer
}

// offer is a verified stream of a range. It is read-only.
type offer struct {
	r      content.Range
	stream []byte
}

// offerRange passes a range that was just served to the content's warmer, if there is one.
func (s *source) offerRange(c remora.Content, r content.Range, stream []byte) {
	s.mu.Lock()
	w := s.warming[c.Root]
	s.mu.Unlock()
	if w == nil {
		return
	}
	select {
	case w.offers <- offer{r, stream}:
	default: // the warmer is behind; it will ask a cache for this range
	}
}

// startWarmer copies content into the gateway's own store in the background, so that it is served from there the next
// time.
func (s *source) startWarmer(c remora.Content) {
	if _, held := s.store.Length(c.Root); held {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.warming[c.Root] != nil || len(s.warming) >= maxWarmers {
		return
	}
	w := &warmer{offers: make(chan offer, maxOffers), wait: s.offerWait, ahead: map[uint64]offer{}}
	s.warming[c.Root] = w
	s.group.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, warmTime)
		defer cancel()
		if err := s.fillStore(ctx, c, w); err != nil {
			s.log.DebugContext(ctx, "content was not copied into the gateway's store", slog.String("root", c.Root.String()), slog.Any("reason", err))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.warming, c.Root)
	})
}

func (s *source) fillStore(ctx context.Context, c remora.Content, w *warmer) error {
	p, err := s.store.Receive(c)
	if err != nil {
		return err
	}
	for p.Have() < c.Length {
		r := content.Range{Offset: p.Have(), Length: min(transfer.MaxRange, c.Length-p.Have())}
		stream, offered := w.awaitRange(ctx, r)
		if !offered {
			stream, err = s.askCaches(ctx, c, r)
		}
		if err == nil {
			err = p.Take(bytes.NewReader(stream), r.Length)
		}
		if err != nil {
			return errors.Join(err, p.Leave())
		}
	}
	return p.Commit()
}

// awaitRange returns a range if it is offered. It waits at most w.wait, not at all after a wait without an offer.
func (w *warmer) awaitRange(ctx context.Context, r content.Range) ([]byte, bool) {
	for at := range w.ahead {
		if at < r.Offset {
			delete(w.ahead, at)
		}
	}
	patience := w.wait
	if w.alone {
		patience = 0
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	for {
		if o, here := w.ahead[r.Offset]; here && o.r == r {
			delete(w.ahead, r.Offset)
			return o.stream, true
		}
		select {
		case o := <-w.offers:
			w.alone = false
			if o.r.Offset >= r.Offset && len(w.ahead) < maxOffers {
				w.ahead[o.r.Offset] = o
			}
		case <-wait.C:
			w.alone = true
			return nil, false
		case <-ctx.Done():
			return nil, false
		}
	}
}
