package gateway

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// source reads content from the gateway's own store, or from the caches that the chain names.
type source struct {
	store   *store.Store
	index   Index
	network Network
	log     *slog.Logger

	ctx     context.Context // ends with Close: what is fetched for later is nobody's request
	stop    context.CancelFunc
	group   sync.WaitGroup
	mu      sync.Mutex
	warming map[remora.Hash]*warmer // by the content's root
	// offerWait is how long those wait for what clients are served.
	offerWait time.Duration
	hedges    chan struct{} // taken by each cache that is asked beside a slow one
}

// stream returns the verified stream of a range of at most transfer.MaxRange bytes. It has been verified here.
func (s *source) stream(ctx context.Context, c remora.Content, r content.Range) ([]byte, error) {
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
		s.log.WarnContext(ctx, "own copy is not usable; asking caches", slog.String("root", c.Root.String()), slog.Any("reason", err))
	}
	stream, err := s.ask(ctx, c, r)
	if err == nil {
		s.warm(c)
		s.offer(c, r, stream)
	}
	return stream, err
}

// providers returns the caches, those that are to hold the content first.
func (s *source) providers(root remora.Hash) ([]transfer.Cache, error) {
	caches, err := s.index.Caches()
	if err != nil {
		return nil, err
	}
	byAddress, addresses := map[remora.Address]transfer.Cache{}, make([]remora.Address, len(caches))
	for i, c := range caches {
		byAddress[c.Address], addresses[i] = c, c.Address
	}
	ordered := make([]transfer.Cache, len(caches))
	for i, a := range remora.Assign(root, addresses, len(addresses)) {
		ordered[i] = byAddress[a]
	}
	return ordered, nil
}

// read returns the bytes of a range of at most transfer.MaxRange.
func (s *source) read(ctx context.Context, c remora.Content, r content.Range) ([]byte, error) {
	if c.Length == 0 {
		return nil, nil
	}
	stream, err := s.stream(ctx, c, r)
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
