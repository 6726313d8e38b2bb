package sim

import (
	"encoding/binary"
	"errors"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
)

// submitTx is a client's request. ErrBusy turns the client away.
func (v *host) submitTx(n uint64) {
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
func (v *host) carryOutWorker() bool {
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
		v.stepMempool(mempool.BatchStored{Ref: s.Ref, Proof: s.Proof})
	}
	for _, ref := range rd.Certified {
		v.own.Add(ref)
		v.stepMempool(mempool.BatchReady{Ref: ref})
	}
	if v.up {
		v.batches.Advance(rd)
	}
	return true
}

func (v *host) spreadBatches(rd *worker.Ready) {
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
		v.world.sendMessage(v, a.To, ackArrives, a.Digest, func(peer *host) {
			peer.tellWorker(worker.Acked{From: v.self, Digest: a.Digest})
		})
	}
}

func (v *host) sendBatch(to remora.Authority, b remora.Batch) {
	if v.actor != nil && v.actor.withholdsBatch(to, b) {
		return
	}
	ref := b.Ref()
	proof := v.world.signed.signerOf(v.self).SignHeader(remora.BatchMessage(v.world.committee.Domain, b.Term, &ref))
	v.world.sendMessage(v, to, batchArrives, b.Digest, func(peer *host) {
		peer.receiveBatch(v.self, b, proof)
	})
}

// receiveBatch verifies a peer's batch, as the node's shell does, and hands it on.
func (v *host) receiveBatch(from remora.Authority, b remora.Batch, proof remora.Signature) {
	ref := b.Ref()
	if b.Term != v.world.committee.Term || v.world.signed.committee.CheckBatch(&ref, proof) == nil {
		v.tellWorker(worker.PeerBatch{From: from, Batch: b, Proof: proof})
	}
}

// tellWorker hands a message to the worker core, and reports whether it was taken. A refusal is the sender's matter.
func (v *host) tellWorker(m worker.Message) bool {
	err := v.batches.Step(m)
	if errors.Is(err, worker.ErrQuota) && !v.isFaulty() {
		v.world.check.OverQuota++
	}
	return err == nil
}
