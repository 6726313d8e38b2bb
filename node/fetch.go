package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
)

const (
	// askTimeout bounds one question to one peer, blocksTimeout one for blocks, of which an answer holds more.
	askTimeout    = 3 * time.Second
	blocksTimeout = 15 * time.Second
	// firstTry bounds the first question to each peer for a batch that execution waits for; later ones get more.
	firstTry = 300 * time.Millisecond
)

// fetcher brings what the core wants from peers. Several goroutines run it side by side.
type fetcher struct {
	self      remora.Authority
	committee *trust.Committee
	store     *store.Store
	host      *p2p.Host
	log       *slog.Logger
	held      func() remora.Round // certificates up to it are here, or of no use any more

	wants   <-chan mempool.Want
	network chan<- mempool.Message // certificates
	primary chan<- mempool.Message // stored batches
}

func (f *fetcher) run(ctx context.Context) error {
	for {
		select {
		case w := <-f.wants:
			if err := f.bring(ctx, w); err != nil && ctx.Err() == nil {
				if errors.Is(err, errStopped) {
					return err
				}
				f.log.DebugContext(ctx, "a peer did not have what was asked for", slog.Int("authority", int(w.From)), slog.Any("reason", err))
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *fetcher) bring(ctx context.Context, w mempool.Want) error {
	if len(w.Parents) > 0 {
		return f.certificates(ctx, w)
	}
	digests := make([]remora.Hash, len(w.Batches))
	for i, ref := range w.Batches {
		digests[i] = ref.Digest
	}
	for len(digests) > 0 {
		n := min(len(digests), maxBatchRange)
		batches, err := f.batches(ctx, w.From, digests[:n])
		for _, b := range batches {
			if err := put(ctx, f.primary, mempool.Message(mempool.BatchStored{Author: b.Author, Ref: b.Ref()})); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		digests = digests[n:]
	}
	return nil
}

func (f *fetcher) ask(ctx context.Context, from remora.Authority, protocol string, request any) ([][]byte, error) {
	limit := askTimeout
	if protocol == askBlocks {
		limit = blocksTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer, err := f.host.Request(ctx, f.committee.Members[from].PeerID, protocol, remora.Encode(request), maxAnswer)
	if err != nil {
		return nil, fmt.Errorf("%s from %q: %w", protocol, f.committee.Members[from].Name, err)
	}
	return decodeAnswer(answer)
}

// certificates fetches named certificates and their ancestors. Each one's aggregate is checked, all in one batch.
func (f *fetcher) certificates(ctx context.Context, w mempool.Want) error {
	items, err := f.ask(ctx, w.From, askCertificates, certificateRequest{Round: w.Round, Parents: w.Parents, Above: min(f.held(), w.Round-1)})
	if err != nil {
		return err
	}
	if len(items) > maxCertificateRange {
		return fmt.Errorf("%w: %d certificates in an answer, at most %d", remora.ErrInvalid, len(items), maxCertificateRange)
	}
	list := make([]*remora.Certificate, len(items))
	for i, item := range items {
		if list[i], err = remora.DecodeCertificate(f.committee.ChainID, item); err != nil {
			return err
		}
	}
	for i, bad := range f.committee.Certificates(list) {
		if bad != nil {
			return bad
		}
		if err := put(ctx, f.network, mempool.Message(mempool.CertificateReceived{Certificate: list[i]})); err != nil {
			return err
		}
	}
	return nil
}

// batches fetches batches by digest and makes them durable. It returns those that the peer had.
func (f *fetcher) batches(ctx context.Context, from remora.Authority, digests []remora.Hash) ([]remora.Batch, error) {
	items, err := f.ask(ctx, from, askBatches, batchRequest{Digests: digests})
	if err != nil {
		return nil, err
	}
	if len(items) != len(digests) {
		return nil, fmt.Errorf("%w: %d batches in an answer to %d digests", remora.ErrInvalid, len(items), len(digests))
	}
	var found []remora.Batch
	for i, item := range items {
		if len(item) == 0 {
			continue // the peer does not have it
		}
		b, err := remora.ParseBatch(item)
		if err != nil {
			return nil, err
		}
		if b.Digest != digests[i] {
			return nil, fmt.Errorf("%w: asked for batch %s, got %s", remora.ErrInvalid, digests[i], b.Digest)
		}
		found = append(found, b)
	}
	if err := f.store.AppendBatches(found); err != nil {
		return nil, errors.Join(err, errStopped)
	}
	return found, nil
}

// batch returns a batch that a committed header of author lists. A quorum acked it and a quorum voted for the header, so
// some correct authority has it. The author is asked last: it may have kept the batch from us on purpose. Nobody gets long
// at first, so that a peer that hangs delays execution little.
func (f *fetcher) batch(ctx context.Context, author remora.Authority, digest remora.Hash) (remora.Batch, error) {
	raw, err := f.store.Batch(digest)
	for i := 0; err != nil; i++ {
		if !errors.Is(err, remora.ErrNotFound) && !errors.Is(err, remora.ErrCorrupt) {
			return remora.Batch{}, err
		}
		round := i / f.committee.Size()
		if round > 0 && i%f.committee.Size() == 0 {
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return remora.Batch{}, err
			}
		}
		from := remora.Authority((int(author) + 1 + i) % f.committee.Size())
		if from != f.self {
			trying, cancel := context.WithTimeout(ctx, min(askTimeout, firstTry<<min(round, 8)))
			found, failed := f.batches(trying, from, []remora.Hash{digest})
			cancel()
			if errors.Is(failed, errStopped) || ctx.Err() != nil {
				return remora.Batch{}, errors.Join(failed, ctx.Err())
			}
			if len(found) == 1 {
				return found[0], nil
			}
		}
		raw, err = f.store.Batch(digest)
	}
	return remora.ParseBatch(raw)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
