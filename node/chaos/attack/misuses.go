package attack

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/peers"
)

// Sizes of the attacks of a member.
const (
	pushedBytes = 64 << 20 // to each other member: what it may hold of one author
	leastCharge = 4 << 10  // what a member counts for the smallest batch
	stockBytes  = 32 << 20
	stockTiny   = 20_000              // batches
	farEpoch    = math.MaxUint64 >> 2 // no chain comes to it
)

func memberStages() map[string]stage {
	all := map[string]stage{}
	for name, m := range map[string]misuse{
		"member-quota":       {attack: pushQuota(noiseTxs(remora.MaxBatchBytes-1024), pushedBytes/remora.MaxBatchBytes+1)},
		"member-quota-tiny":  {attack: pushQuota([][]byte{{0}}, pushedBytes/leastCharge)},
		"member-far":         {stock: stockFar, direct: true},
		"member-tiny":        {stock: stockTinyTxs},
		"member-sigs":        {stock: stockBadSignatures},
		"member-dup":         {stock: stockCopies},
		"member-tinybatches": {stock: stockTinyBatches},
		"member-certs":       {attack: flood(peers.ChannelDAG, falseCertificates)},
		"member-headers":     {attack: flood(peers.ChannelDAG, unsignedHeaders)},
		"member-acks":        {attack: flood(peers.ChannelAck, acksForNothing)},
		"member-epochs":      {attack: flood(peers.ChannelBatch, impossibleEpochs)},
	} {
		all[name] = stage{m.prepare}
	}
	return all
}

// pushQuota sends every other member a set of batches of its own, sealed in the next epoch: each may list what it holds, and
// the others then have to fetch that.
func pushQuota(txs [][]byte, count int) func(context.Context, *member) error {
	return func(ctx context.Context, m *member) error {
		epoch, err := m.epoch()
		if err != nil {
			return err
		}
		var group sync.WaitGroup
		for _, a := range m.relay.others() {
			own := m.forger
			own.seq += uint64(count) * uint64(a)
			group.Go(func() {
				for range count {
					m.relay.push(ctx, a, peers.ChannelBatch, own.batchFrame(own.sealBatch(epoch+1, txs)))
				}
			})
		}
		group.Wait()
		return nil
	}
}

// fill seals batches of the transactions that next returns until they have so many bytes.
func (m *member) fill(epoch remora.Epoch, bytes int, next func(room int) [][]byte) []remora.Batch {
	var all []remora.Batch
	for size := 0; size < bytes; size += remora.MaxBatchBytes {
		all = append(all, m.forger.sealBatch(epoch, next(remora.MaxBatchBytes-1024)))
	}
	return all
}

// repeat returns copies of what makeTx returns that fill a batch.
func repeat(room int, makeTx func() []byte) [][]byte {
	var txs [][]byte
	for used := 0; ; {
		tx := makeTx()
		if used += len(tx) + 4; used > room {
			return txs
		}
		txs = append(txs, tx)
	}
}

func stockFar(m *member, _ *Order, _ remora.Epoch) ([]remora.Batch, error) {
	return m.fill(farEpoch, pushedBytes, func(room int) [][]byte { return noiseTxs(room) }), nil
}

func stockTinyTxs(m *member, _ *Order, epoch remora.Epoch) ([]remora.Batch, error) {
	return m.fill(epoch, stockBytes, func(room int) [][]byte {
		return repeat(room, func() []byte { return []byte{1, 2, 3, 4} })
	}), nil
}

func stockTinyBatches(m *member, _ *Order, epoch remora.Epoch) ([]remora.Batch, error) {
	var all []remora.Batch
	for range stockTiny {
		all = append(all, m.forger.sealBatch(epoch, [][]byte{{1, 2, 3}}))
	}
	return all, nil
}

func stockBadSignatures(m *member, o *Order, epoch remora.Epoch) ([]remora.Batch, error) {
	key, err := home.OpenAccount(o.Account)
	if err != nil {
		return nil, err
	}
	good, n := transfer(key, m.genesis, key.Public(), 0), uint64(0)
	return m.fill(epoch, stockBytes, func(room int) [][]byte {
		return repeat(room, func() []byte { n++; return spoilSignature(good, n) })
	}), nil
}

func stockCopies(m *member, o *Order, epoch remora.Epoch) ([]remora.Batch, error) {
	key, err := home.OpenAccount(o.Account)
	if err != nil {
		return nil, err
	}
	good := transfer(key, m.genesis, key.Public(), 0)
	return m.fill(epoch, stockBytes, func(room int) [][]byte { return repeat(room, func() []byte { return good }) }), nil
}

// flood sends frames to all other members as fast as they take them. Each of them gets the frames of a maker of its own.
func flood(channel string, newMaker func(m *member, f *forger) func() []byte) func(context.Context, *member) error {
	return func(ctx context.Context, m *member) error {
		var group sync.WaitGroup
		for _, a := range m.relay.others() {
			own := m.forger
			own.invented = uint64(a) << 48
			next := newMaker(m, &own)
			group.Go(func() {
				for ctx.Err() == nil {
					if !m.relay.hasRoom(a, channel) {
						devnet.Pause(ctx, time.Millisecond)
						continue
					}
					for range floodDepth / 4 {
						m.relay.push(ctx, a, channel, next())
					}
				}
			})
		}
		group.Wait()
		return nil
	}
}

func falseCertificates(m *member, f *forger) func() []byte {
	aggregate := f.unrelatedSignature()
	return func() []byte { return f.falseCertificate(m.round(), aggregate) }
}

func unsignedHeaders(m *member, f *forger) func() []byte {
	return func() []byte { return f.unsignedHeader(m.round()) }
}

func acksForNothing(_ *member, f *forger) func() []byte {
	return func() []byte { return ackFrame(f.inventHash()) }
}

func impossibleEpochs(_ *member, f *forger) func() []byte {
	txs := noiseTxs(64 << 10)
	return func() []byte { return f.batchFrame(f.sealBatch(farEpoch, txs)) }
}
