package gateway

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/proofs/content"
)

// source reads content from the gateway's own store, or from registered caches.
type source struct {
	store   *store.Store
	chain   Chain
	network Network
	log     *slog.Logger

	ctx     context.Context // of the background work; ends with Close
	stop    context.CancelFunc
	group   sync.WaitGroup
	mu      sync.Mutex
	warming map[remora.Hash]*warmer // by the content's root
	// offerWait bounds the time for which a warmer waits for a range that clients are served.
	offerWait time.Duration
	hedges    chan struct{} // one slot for each cache that is asked beside a slow one
}

// verifiedStream returns the stream of a range of at most transfer.MaxRange bytes. It is already verified.
func (s *source) verifiedStream(ctx context.Context, c remora.Content, r content.Range) ([]byte, error) {
	if _, held := s.store.Length(c.Root); held {
		size, err := content.StreamSize(c.Length, r)
		if err != nil {
			return nil, err
		}
		out := bytes.NewBuffer(make([]byte, 0, size))
		err = s.store.Stream(out, c.Root, r)
		if err == nil {
			return out.Bytes(), nil
		}
		s.log.WarnContext(ctx, "own copy cannot be read; asking caches", slog.String("root", c.Root.String()), slog.Any("reason", err))
	}
	stream, err := s.askCaches(ctx, c, r)
	if err == nil {
		s.startWarmer(c)
		s.offerRange(c, r, stream)
	}
	return stream, err
}

// readRange returns the bytes of a range of at most transfer.MaxRange bytes.
func (s *source) readRange(ctx context.Context, c remora.Content, r content.Range) ([]byte, error) {
	if c.Length == 0 {
		return nil, nil
	}
	stream, err := s.verifiedStream(ctx, c, r)
	if err != nil {
		return nil, err
	}
	d, err := content.NewDecoder(bytes.NewReader(stream), c.Root, c.Length, r)
	if err != nil {
		return nil, err
	}
	out := bytes.NewBuffer(make([]byte, 0, r.Length))
	_, err = d.WriteTo(out)
	return out.Bytes(), err
}
