package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
)

const (
	// askTimeout bounds one question to one peer, blocksTimeout one for blocks, of which an answer holds more.
	askTimeout    = 3 * time.Second
	blocksTimeout = 8 * time.Second
	// firstTry bounds the first question to each peer for batches that execution waits for; later ones get more.
	firstTry = 300 * time.Millisecond
	// wantQueue is how many wants wait for one authority. The core repeats those that find no room.
	wantQueue = 16
)

// fetcher asks peers. Its methods may be called from several goroutines.
type fetcher struct {
	self      remora.Authority
	committee *trust.Committee
	store     *store.Store
	call      func(ctx context.Context, peer, protocol string, request []byte, maxAnswer int) ([]byte, error)
	log       *slog.Logger
	held      func() remora.Round // certificates up to it are here, or of no use any more

	mu      sync.Mutex
	sources *exec.Sources // guarded by mu

	wants   []chan mempool.Want    // by authority: one that hangs delays nobody else's
	network chan<- mempool.Message // certificates
	batcher chan<- fetched
}

// fetched are batches that a header of author lists and that were asked for. The reply says whether all of them were
// taken.
type fetched struct {
	author  remora.Authority
	batches []remora.Batch
	reply   chan<- error // buffered for one
}

// run serves the wants of one authority.
func (f *fetcher) run(ctx context.Context, from remora.Authority) error {
	for {
		select {
		case w := <-f.wants[from]:
			if err := f.bring(ctx, w); err != nil && ctx.Err() == nil {
				f.log.DebugContext(ctx, "a peer did not have what was asked for", slog.Int("authority", int(w.From)), slog.Any("reason", err))
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *fetcher) bring(ctx context.Context, w mempool.Want) error {
	switch {
	case w.Tip:
		return f.tip(ctx, w.From)
	case len(w.Parents) > 0:
		return f.certificates(ctx, w)
	}
	return f.payload(ctx, w)
}

// payload fetches what a header lists, an answer at a time, until its author's quota is used up.
func (f *fetcher) payload(ctx context.Context, w mempool.Want) error {
	var digests []remora.Hash
	for _, ref := range w.Batches {
		if !f.store.HasBatch(ref.Digest) {
			digests = append(digests, ref.Digest)
		}
	}
	for len(digests) > 0 {
		found, err := f.batches(ctx, w.From, digests[:min(len(digests), maxBatchRange)])
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("%w: none of %d batches", remora.ErrNotFound, len(digests))
		}
		reply := make(chan error, 1)
		if err := put(ctx, f.batcher, fetched{author: w.Author, batches: found, reply: reply}); err != nil {
			return err
		}
		select {
		case err = <-reply:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		digests = without(digests, found)
	}
	return nil
}

// without returns the digests that are of none of the batches.
func without(digests []remora.Hash, batches []remora.Batch) []remora.Hash {
	got := make(map[remora.Hash]bool, len(batches))
	for _, b := range batches {
		got[b.Digest] = true
	}
	var left []remora.Hash
	for _, d := range digests {
		if !got[d] {
			left = append(left, d)
		}
	}
	return left
}

func (f *fetcher) request(ctx context.Context, from remora.Authority, protocol string, request any) ([]byte, error) {
	answer, err := f.call(ctx, f.committee.Members[from].PeerID, protocol, remora.Encode(request), maxAnswer)
	if err != nil {
		return nil, fmt.Errorf("%s from %q: %w", protocol, f.committee.Members[from].Name, err)
	}
	return answer, nil
}

func (f *fetcher) ask(ctx context.Context, from remora.Authority, protocol string, request any) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := f.request(ctx, from, protocol, request)
	if err != nil {
		return nil, err
	}
	return decodeAnswer(answer)
}

// blocks asks for certified blocks and checks the answer.
func (f *fetcher) blocks(ctx context.Context, from remora.Authority, r rangeRequest) (*span, error) {
	ctx, cancel := context.WithTimeout(ctx, blocksTimeout+time.Duration(r.Wait)*time.Millisecond)
	defer cancel()
	answer, err := f.request(ctx, from, askBlocks, r)
	if err != nil {
		return nil, err
	}
	s, err := openSpan(f.committee, r.From, int(r.Count), answer)
	if err != nil {
		return nil, err
	}
	s.peer = from
	return s, nil
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

// batches fetches batches by digest and returns those that the peer had.
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
			continue // the peer does not have it, or no room for it
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
	return found, nil
}

// gather returns the batches with these digests, which committed headers of dag list. A quorum acked each and a quorum
// voted for its header, so some correct authority has it. Nobody gets long at first.
func (f *fetcher) gather(ctx context.Context, dag []*remora.Header, digests []remora.Hash) ([]remora.Batch, error) {
	got := make(map[remora.Hash]remora.Batch, len(digests))
	missing, err := f.load(digests, got)
	for round := 0; err == nil && len(missing) > 0; round++ {
		if round > 0 {
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return nil, err
			}
		}
		for _, from := range f.order(author(dag, missing[0])) {
			if err := f.take(ctx, from, round, missing, got); err != nil {
				return nil, err
			}
			if missing, err = f.load(missing, got); err != nil || len(missing) == 0 {
				break
			}
		}
	}
	if err != nil {
		return nil, err
	}
	batches := make([]remora.Batch, len(digests))
	for i, d := range digests {
		batches[i] = got[d]
	}
	return batches, nil
}

func (f *fetcher) order(author remora.Authority) []remora.Authority {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sources.Order(author)
}

// take asks one peer, an answer at a time, as long as it brings any.
func (f *fetcher) take(ctx context.Context, from remora.Authority, round int, missing []remora.Hash, got map[remora.Hash]remora.Batch) error {
	for len(missing) > 0 {
		trying, cancel := context.WithTimeout(ctx, min(askTimeout, firstTry<<min(round, 8)))
		found, _ := f.batches(trying, from, missing[:min(len(missing), max(1, maxBatchRange>>round))])
		cancel()
		f.mu.Lock()
		f.sources.Report(from, len(found) > 0)
		f.mu.Unlock()
		if len(found) == 0 {
			return nil
		}
		if err := f.store.AppendBatches(found); err != nil {
			return err
		}
		for _, b := range found {
			got[b.Digest] = b
		}
		missing = without(missing, found)
	}
	return nil
}

// load adds what is stored here and returns what is missing.
func (f *fetcher) load(digests []remora.Hash, got map[remora.Hash]remora.Batch) ([]remora.Hash, error) {
	var missing []remora.Hash
	for _, d := range digests {
		if _, ok := got[d]; ok {
			continue
		}
		raw, err := f.store.Batch(d)
		if errors.Is(err, remora.ErrNotFound) || errors.Is(err, remora.ErrCorrupt) {
			missing = append(missing, d)
			continue
		}
		if err != nil {
			return nil, err
		}
		if got[d], err = remora.ParseBatch(raw); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// author returns who listed a batch.
func author(dag []*remora.Header, digest remora.Hash) remora.Authority {
	for _, h := range dag {
		for _, ref := range h.Payload {
			if ref.Digest == digest {
				return h.Author
			}
		}
	}
	return 0
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
