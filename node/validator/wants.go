package validator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
)

// wantQueue bounds the wants that wait for one authority. The core repeats those that find no room.
const wantQueue = 16

// fetcher fetches what the mempool core wants from other authorities. One goroutine serves the wants of each of them.
type fetcher struct {
	self     remora.Authority
	client   *peers.Client
	store    *store.Store
	progress *Progress
	judge    *judge
	log      *slog.Logger

	wants   []chan mempool.Want    // by authority: one that hangs does not delay the others
	network chan<- mempool.Message // certificates
	batcher chan<- fetched
}

// fetched are batches that a header of author lists and that were asked for. The reply says whether all of them were
// taken.
type fetched struct {
	author  remora.Authority
	round   remora.Round
	batches []remora.Batch
	reply   chan<- error // buffered for one
}

// serveWants serves the wants of one authority.
func (f *fetcher) serveWants(ctx context.Context, from remora.Authority) error {
	for {
		select {
		case w := <-f.wants[from]:
			if err := f.bringWanted(ctx, w); err != nil && ctx.Err() == nil {
				f.log.DebugContext(ctx, "a peer did not have what was asked for", slog.Int("authority", int(w.From)), slog.Any("reason", err))
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *fetcher) bringWanted(ctx context.Context, w mempool.Want) error {
	switch {
	case w.Tip:
		return f.bringTip(ctx, w.From)
	case len(w.Parents) > 0:
		return f.bringCertificates(ctx, w)
	case len(w.Held) > 0:
		return f.bringHolder(ctx, w)
	}
	return f.bringBatches(ctx, w)
}

// bringTip brings an authority's highest certificate. What it has of this authority goes to the core first.
func (f *fetcher) bringTip(ctx context.Context, from remora.Authority) error {
	tip, err := f.client.AskTip(ctx, from, f.self)
	if err != nil {
		return err
	}
	for _, m := range tip.Messages(from) {
		if err := sendTo(ctx, f.network, m); err != nil {
			return err
		}
	}
	return nil
}

// bringHolder brings word of which batches an authority holds.
func (f *fetcher) bringHolder(ctx context.Context, w mempool.Want) error {
	held, err := f.client.AskHeld(ctx, w.From, w.Held)
	if err != nil {
		return err
	}
	return sendTo(ctx, f.network, mempool.Message(mempool.BatchesHeld{From: w.From, Digests: held}))
}

// bringCertificates brings named certificates and their ancestors.
func (f *fetcher) bringCertificates(ctx context.Context, w mempool.Want) error {
	found, failed := f.client.AskCertificates(ctx, w.From, peers.CertificateRequest{
		Round: w.Round, Parents: w.Parents, Above: min(f.progress.HeldRound(), w.Round-1),
	})
	for _, c := range found {
		if err := sendTo(ctx, f.network, mempool.Message(mempool.CertificateReceived{Certificate: c})); err != nil {
			return err
		}
	}
	if errors.Is(failed, trust.ErrSignature) || errors.Is(failed, remora.ErrInvalid) {
		f.judge.blameMember(ctx, w.From, failed)
		return f.waitPause(ctx, w.From)
	}
	return failed
}

// waitPause waits until certificates of an authority are checked again.
func (f *fetcher) waitPause(ctx context.Context, from remora.Authority) error {
	select {
	case <-time.After(f.judge.pauseLeft(from)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bringBatches fetches the batches that a header lists, an answer at a time, until what its author may list is used up.
func (f *fetcher) bringBatches(ctx context.Context, w mempool.Want) error {
	var digests []remora.Hash
	for _, ref := range w.Batches {
		if !f.store.HasBatch(ref.Digest) {
			digests = append(digests, ref.Digest)
		}
	}
	for len(digests) > 0 {
		found, err := f.client.AskBatches(ctx, w.From, digests[:min(len(digests), peers.MaxBatchRange)])
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("%w: none of %d batches", remora.ErrNotFound, len(digests))
		}
		reply := make(chan error, 1)
		if err := sendTo(ctx, f.batcher, fetched{author: w.Author, round: w.Round, batches: found, reply: reply}); err != nil {
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
		digests = peers.Without(digests, found)
	}
	return nil
}
