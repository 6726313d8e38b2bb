package validator

import (
	"context"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/peers"
)

// catchUp executes certified blocks of peers until a certified tip is reached, and has the primary rebuilt from the store.
// What the chain made meanwhile the DAG brings: its window is much wider than the blocks of that time.
func (e *engine) catchUp(ctx context.Context) error {
	e.counts.Catching.Store(true)
	defer e.counts.Catching.Store(false)
	from, began := e.store.Height(), time.Now()
	if err := e.sync.CatchUp(ctx); err != nil {
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
	asking, cancel := context.WithTimeout(ctx, peers.FirstTry)
	defer cancel()
	items, err := e.client.Ask(asking, peer, peers.ProtocolBlockCertificates, peers.RangeRequest{From: low, Count: uint16(min(peers.MaxBlockRange, e.store.Height()-low+1))})
	if err != nil {
		return ctx.Err() // the next time another peer is asked
	}
	return e.adopt(ctx, items)
}

// adopt stores fetched certificates of blocks that lack theirs here. One that holds for another block than was executed
// here says that this node is wrong.
func (e *engine) adopt(ctx context.Context, items [][]byte) error {
	var found []*remora.BlockCertificate
	for _, item := range items {
		cert := new(remora.BlockCertificate)
		if remora.Decode(item, remora.MaxCertificateBytes, cert) != nil {
			continue
		}
		if _, open := e.certifier.own[cert.Height]; open {
			found = append(found, cert)
		}
	}
	for i, bad := range e.authority.committee.BlockCertificates(found) {
		ours, open := e.certifier.own[found[i].Height]
		switch {
		case bad != nil || !open:
			continue
		case found[i].Hash != ours:
			return &blocksync.Minority{Height: found[i].Height, Hash: found[i].Hash}
		}
		if err := e.certified(ctx, found[i]); err != nil {
			return err
		}
	}
	return nil
}

// keepOldest moves the certifier to the oldest block without certificate and has it know what is from there on, so that no
// height is given up, however long it lacks one: peers that sync from here would come to an end there.
func (e *engine) keepOldest(ctx context.Context) error {
	low, newest := e.certifier.oldest, e.store.Height()
	for ; low <= newest; low++ {
		cert, err := e.store.BlockCertificate(low)
		if err != nil {
			return err
		}
		if cert == nil {
			break
		}
	}
	e.certifier.move(low, e.certifier.newest)
	if err := e.store.PutCertifiedTo(low - 1); err != nil {
		return err
	}
	for h := low; h < low+oldestKept && h <= newest; h++ {
		if _, known := e.certifier.own[h]; known {
			continue
		}
		cert, err := e.store.BlockCertificate(h)
		if err == nil && cert == nil {
			err = e.own(ctx, h)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
