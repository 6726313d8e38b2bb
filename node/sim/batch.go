package sim

import (
	"encoding/binary"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
)

// submitTx is a client's request. ErrBusy turns the client away.
func (v *validator) submitTx(n uint64) {
	w := v.world
	payload := binary.BigEndian.AppendUint64(nil, w.scenario.Seed)
	tx := remora.EncodeOpaque(binary.BigEndian.AppendUint64(payload, n))
	if seq, err := v.batches.Submit(tx); err == nil {
		v.clients[seq] = append(v.clients[seq], client{tx: tx, sent: w.now})
		v.carryOut()
	}
}

// carryOutWorker carries out what the worker core asks for: batches are durable before they are acked, spread or answered
// for.
func (v *validator) carryOutWorker() bool {
	rd, ok := v.batches.Ready()
	if !ok {
		return false
	}
	if len(rd.Persist) > 0 {
		if v.crashesAt(Unsaved) {
			return true
		}
		if err := v.store.AppendBatches(rd.Persist); err != nil {
			v.haltProcess(err)
			return true
		}
		if v.crashesAt(Unsent) {
			return true
		}
	}
	v.spreadBatches(&rd)
	for _, s := range rd.Sealed {
		v.world.check.noteAccepted(v, v.clients[s.Seq])
		delete(v.clients, s.Seq)
	}
	for _, s := range rd.Stored {
		v.stepMempool(mempool.BatchStored{Author: s.Author, Ref: s.Ref})
	}
	for _, ref := range rd.Certified {
		v.waiting = append(v.waiting, ref)
		v.stepMempool(mempool.BatchReady{Ref: ref})
	}
	if v.up {
		v.batches.Advance(rd)
	}
	return true
}

func (v *validator) spreadBatches(rd *worker.Ready) {
	for _, b := range rd.Broadcast {
		for to := range remora.Authority(v.world.committee.Size()) {
			if to != v.self {
				v.sendBatch(to, b)
			}
		}
	}
	for _, r := range rd.Resend {
		v.sendBatch(r.To, r.Batch)
	}
	for _, a := range rd.Acks {
		v.world.sendMessage(v, a.To, ackArrives, a.Digest, func(peer *validator) {
			peer.tellWorker(worker.Acked{From: v.self, Digest: a.Digest})
		})
	}
}

func (v *validator) sendBatch(to remora.Authority, b remora.Batch) {
	if v.actor != nil && v.actor.withholdsBatch(to, b) {
		return
	}
	v.world.sendMessage(v, to, batchArrives, b.Digest, func(peer *validator) {
		peer.tellWorker(worker.PeerBatch{From: v.self, Batch: b})
	})
}

// tellWorker hands a message to the worker core. A refusal is the sender's matter.
func (v *validator) tellWorker(m worker.Message) {
	_ = v.batches.Step(m)
}

// informWorker tells the worker core of a block.
func (v *validator) informWorker(block *remora.Block) {
	if len(block.Batches) > 0 {
		v.waiting = slices.DeleteFunc(v.waiting, func(ref remora.BatchRef) bool { return slices.Contains(block.Batches, ref.Digest) })
		v.tellWorker(worker.Executed{Digests: block.Batches})
	}
	if block.Header.Epoch != v.epoch {
		v.epoch = block.Header.Epoch
		v.waiting = slices.DeleteFunc(v.waiting, func(ref remora.BatchRef) bool { return ref.Epoch+1 < v.epoch })
		v.tellWorker(worker.EpochChanged{Epoch: v.epoch})
	}
}

// announceWaiting tells a new mempool core which own batches wait.
func (v *validator) announceWaiting() {
	for _, ref := range v.waiting {
		v.stepMempool(mempool.BatchReady{Ref: ref})
	}
}

func peerBatch(b remora.Batch) worker.Message { return worker.PeerBatch{From: b.Author, Batch: b} }
