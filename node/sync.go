package node

import (
	"context"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
)

// catchUp executes certified blocks of peers until a certified tip is reached, and has the primary rebuilt from the store.
// What the chain made meanwhile the DAG brings: its window is much wider than the blocks of that time.
func (e *engine) catchUp(ctx context.Context) error {
	e.counts.catching.Store(true)
	defer e.counts.catching.Store(false)
	from, began := e.store.Height(), time.Now()
	if err := e.sync.catchUp(ctx); err != nil {
		return err
	}
	e.log.InfoContext(ctx, "caught up by certified blocks", slog.Uint64("from", uint64(from)),
		slog.Uint64("to", uint64(e.store.Height())), slog.String("took", time.Since(began).Round(time.Millisecond).String()))
	if err := put(ctx, e.rebuilt, struct{}{}); err != nil {
		return err
	}
	if err := put(ctx, e.reannounce, struct{}{}); err != nil {
		return err
	}
	return e.hurry(ctx, e.demand)
}

// askCertificates fetches certificates of blocks that this node executed and that others certified without it.
func (e *engine) askCertificates(ctx context.Context, waiting []remora.Height) error {
	low := waiting[0]
	if low+4 > e.store.Height() {
		return nil
	}
	n := len(e.authority.committee.Members)
	peer := remora.Authority((int(e.authority.self) + 1 + int(time.Now().UnixNano()%int64(max(n-1, 1)))) % n)
	if peer == e.authority.self {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, firstTry)
	defer cancel()
	items, err := e.fetcher.ask(asking, peer, askBlockCertificates, rangeRequest{From: low, Count: uint16(min(maxBlockRange, e.store.Height()-low+1))})
	if err != nil {
		return ctx.Err() // the next time another peer is asked
	}
	for _, item := range items {
		if len(item) == 0 {
			continue
		}
		if err := e.adopt(ctx, item); err != nil {
			return err
		}
	}
	return nil
}

// adopt stores a fetched block certificate if it holds. One that holds for another block than was executed here says that
// this node is wrong.
func (e *engine) adopt(ctx context.Context, item []byte) error {
	cert := new(remora.BlockCertificate)
	if remora.Decode(item, remora.MaxCertificateBytes, cert) != nil {
		return nil
	}
	ours, open := e.certifier.own[cert.Height]
	if !open || e.authority.committee.BlockCertificates([]*remora.BlockCertificate{cert})[0] != nil {
		return nil
	}
	if cert.Hash != ours {
		return &minority{height: cert.Height, hash: cert.Hash}
	}
	return e.certified(ctx, cert)
}
