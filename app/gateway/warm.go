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
	// warmers bounds the contents that are brought into the gateway's own store at a time.
	warmers  = 2
	warmTime = 10 * time.Minute
	// maxOffers bounds the ranges that a warmer holds ahead of its turn, and offerWait how long it waits for
	// the next one.
	maxOffers = 4
	offerWait = 50 * time.Millisecond
)

// warmer brings one content into the gateway's own store. What clients are served meanwhile it takes, so that caches are
// not asked twice.
type warmer struct {
	offers chan offer
	wait   time.Duration    // for the next one
	ahead  map[uint64]offer // by offset; at most maxOffers, its loop's own
	alone  bool             // nothing was offered lately
}

// offer is a verified stream of a range. It is read only.
type offer struct {
	r      content.Range
	stream []byte
}

// offer lets whoever brings the content have a range that was just served.
func (s *source) offer(c remora.Content, r content.Range, stream []byte) {
	s.mu.Lock()
	w := s.warming[c.Root]
	s.mu.Unlock()
	if w == nil {
		return
	}
	select {
	case w.offers <- offer{r, stream}:
	default: // it falls behind, and asks for it later
	}
}

// warm brings content into the gateway's own store in the background, so that it is served from there the next time.
func (s *source) warm(c remora.Content) {
	if _, held := s.store.Length(c.Root); held {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.warming[c.Root] != nil || len(s.warming) >= warmers {
		return
	}
	w := &warmer{offers: make(chan offer, maxOffers), wait: s.offerWait, ahead: map[uint64]offer{}}
	s.warming[c.Root] = w
	s.group.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, warmTime)
		defer cancel()
		if err := s.bring(ctx, c, w); err != nil {
			s.log.DebugContext(ctx, "content was not kept", slog.String("root", c.Root.String()), slog.Any("reason", err))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.warming, c.Root)
	})
}

func (s *source) bring(ctx context.Context, c remora.Content, w *warmer) error {
	p, err := s.store.Receive(c)
	if err != nil {
		return err
	}
	for p.Have() < c.Length {
		r := content.Range{Offset: p.Have(), Length: min(transfer.MaxRange, c.Length-p.Have())}
		stream, offered := w.next(ctx, r)
		if !offered {
			stream, err = s.ask(ctx, c, r)
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

// next returns a range if it is offered, waiting for it a moment as long as others are.
func (w *warmer) next(ctx context.Context, r content.Range) ([]byte, bool) {
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
