package sim

import (
	"context"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/validator"
)

// askPeer has a peer's process answer a request, there and back over a connection, which sends again what the network
// loses. then gets the answer's bytes, or an error when the peer refuses, is down, or does not answer in time. A Byzantine
// peer may answer something else. Nothing happens once the process that asked has ended.
func (v *host) askPeer(to remora.Authority, protocol string, request any, timeout time.Duration, then func([]byte, error)) {
	process, open := v.life, true
	finish := func(answer []byte, err error) {
		if open && v.up && v.life == process {
			open = false
			then(answer, err)
			v.carryOut()
		}
	}
	raw := remora.Encode(request)
	v.world.sendMessage(v, to, questionArrives, remora.Hash{}, func(peer *host) {
		if !peer.up {
			finish(nil, p2p.ErrNotConnected)
			return
		}
		answer, err := peer.handlers[protocol](context.Background(), v.world.committee.Members[v.self].PeerID, raw)
		if peer.actor != nil {
			if answer = peer.actor.replaceAnswer(protocol, answer); answer == nil {
				return
			}
		}
		v.world.sendToCopy(peer, v, answerArrives, remora.Hash{}, func(*host) { finish(answer, err) })
	})
	v.wakeAfter(timeout, func() { finish(nil, context.DeadlineExceeded) })
}

// askItems is askPeer for answers that are lists.
func (v *host) askItems(to remora.Authority, protocol string, request any, timeout time.Duration, then func([][]byte, error)) {
	v.askPeer(to, protocol, request, timeout, func(answer []byte, err error) {
		var items [][]byte
		if err == nil {
			items, err = peers.DecodeItems(answer)
		}
		then(items, err)
	})
}

// bringWanted answers what the store has and asks a peer for the rest. The core repeats what does not come.
func (v *host) bringWanted(w mempool.Want) {
	switch {
	case w.Tip:
		v.bringTip(w.From)
	case len(w.Parents) > 0:
		v.bringCertificates(w)
	case len(w.Held) > 0:
		v.bringHolder(w)
	default:
		v.bringBatches(w)
	}
}

func (v *host) bringTip(from remora.Authority) {
	v.askItems(from, peers.ProtocolTip, struct{}{}, peers.AskTimeout, func(items [][]byte, err error) {
		if err != nil {
			return
		}
		if tip, err := peers.OpenTip(v.world.signed.committee, v.self, items); err == nil {
			for _, m := range tip.Messages(from) {
				v.receiveMessage(m)
			}
		}
	})
}

func (v *host) bringHolder(w mempool.Want) {
	v.askItems(w.From, peers.ProtocolHeld, peers.BatchRequest{Digests: w.Held}, peers.AskTimeout, func(items [][]byte, err error) {
		if err != nil {
			return
		}
		if held, err := peers.OpenHeld(items); err == nil {
			v.receiveMessage(mempool.BatchesHeld{From: w.From, Digests: held})
		}
	})
}

func (v *host) bringCertificates(w mempool.Want) {
	request := peers.CertificateRequest{
		Round: w.Round, Parents: w.Parents, Above: min(validator.HeldBelow(v.core.Round()), w.Round-1),
	}
	v.askItems(w.From, peers.ProtocolCertificates, request, peers.AskTimeout, func(items [][]byte, err error) {
		if err != nil {
			return
		}
		found, _ := peers.OpenCertificates(v.world.signed.committee, items)
		for _, c := range found {
			v.receiveMessage(mempool.CertificateReceived{Certificate: c})
		}
	})
}

func (v *host) bringBatches(w mempool.Want) {
	var absent []remora.Hash
	for _, ref := range w.Batches {
		stored, err := v.store.BatchRef(ref.Digest)
		if err != nil {
			absent = append(absent, ref.Digest)
			continue
		}
		v.stepMempool(mempool.BatchStored{Ref: stored})
	}
	if len(absent) > 0 {
		v.fetchBatches(w, absent)
	}
}

// fetchBatches asks for batches that a header lists, an answer at a time, until what its author may list is used up.
func (v *host) fetchBatches(w mempool.Want, digests []remora.Hash) {
	asked := digests[:min(len(digests), peers.MaxBatchRange)]
	v.askBatches(w.From, asked, peers.AskTimeout, func(found []remora.Batch) {
		for _, b := range found {
			if !v.tellWorker(worker.FetchedBatch{Lister: w.Author, Round: w.Round, Batch: b}) {
				return
			}
		}
		if left := peers.Without(digests, found); len(found) > 0 && len(left) > 0 {
			v.fetchBatches(w, left)
		}
	})
}

// askBatches asks for batches; then gets those that came.
func (v *host) askBatches(from remora.Authority, digests []remora.Hash, timeout time.Duration, then func([]remora.Batch)) {
	v.askItems(from, peers.ProtocolBatches, peers.BatchRequest{Digests: digests}, timeout, func(items [][]byte, err error) {
		if err != nil {
			then(nil)
			return
		}
		found, _ := peers.OpenBatches(digests, items)
		then(found)
	})
}
