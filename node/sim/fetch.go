package sim

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
)

// maxCertificateRange bounds an answer, as in the node.
const maxCertificateRange = 512

// heldBelow is how far below its round a validator asks for ancestors that it did not name.
const heldBelow = 3

// askPeer has a peer's process answer a question, there and back over the network. An answer to a process that has ended is
// lost. A Byzantine peer may answer something else.
func askPeer[T any](v *validator, to remora.Authority, serve func(*validator) (T, error), then func(T)) {
	process := v.life
	v.world.sendMessage(v, to, questionArrives, remora.Hash{}, func(peer *validator) {
		answer, err := serve(peer)
		if err != nil {
			peer.haltProcess(err)
			return
		}
		if peer.actor != nil {
			altered, answers := peer.actor.replaceAnswer(answer)
			if !answers {
				return
			}
			answer = altered.(T)
		}
		peer.world.sendAnswer(peer, v, func() {
			if v.life == process {
				then(answer)
			}
		})
	})
}

// sendAnswer brings an answer to the copy that asked.
func (w *world) sendAnswer(from, to *validator, then func()) {
	w.sendToCopy(from, to, answerArrives, remora.Hash{}, func(*validator) { then() })
}

// want answers what the store has and asks a peer for the rest. The core repeats what does not come.
func (v *validator) want(w mempool.Want) {
	switch {
	case w.Tip:
		v.wantTip(w.From)
		return
	case len(w.Parents) > 0:
		v.wantCertificates(w)
		return
	}
	var absent []remora.Hash
	for _, ref := range w.Batches {
		b, err := v.batch(ref.Digest)
		if err != nil {
			absent = append(absent, ref.Digest)
			continue
		}
		v.stepMempool(mempool.BatchStored{Author: b.Author, Ref: b.Ref()})
	}
	if len(absent) > 0 {
		v.fetchBatches(w.From, absent, func(int) {})
	}
}

func (v *validator) batch(digest remora.Hash) (remora.Batch, error) {
	raw, err := v.store.Batch(digest)
	if err != nil {
		return remora.Batch{}, err
	}
	return remora.ParseBatch(raw)
}

func (v *validator) wantCertificates(w mempool.Want) {
	round := v.core.Round()
	above := min(round-min(round, heldBelow), w.Round-1)
	askPeer(v, w.From, func(peer *validator) ([]*remora.Certificate, error) {
		return peer.ancestors(w.Round, w.Parents, above)
	}, func(found []*remora.Certificate) {
		for _, c := range found {
			v.receiveMessage(mempool.CertificateReceived{Certificate: c})
		}
	})
}

// tips are a peer's certificate of the highest round, and the newest one and the newest header by whoever asked. Who has
// lost its own record does not know them.
type tips struct {
	highest, yours *remora.Certificate
	header         *remora.Header // the newest by whoever asked
	lost           bool
}

// wantTip asks a peer how far it is.
func (v *validator) wantTip(from remora.Authority) {
	askPeer(v, from, func(peer *validator) (found tips, err error) {
		found.lost, found.header = peer.core.Doubt() == mempool.Lost, peer.heard[v.self]
		found.highest, found.yours, err = peer.store.Tips(chainID, peer.core.GCRound(), v.self)
		return found, err
	}, func(found tips) {
		if found.lost {
			return
		}
		w := v.world
		if found.yours != nil {
			v.receiveMessage(mempool.CertificateReceived{Certificate: found.yours})
		}
		if found.header != nil {
			v.receiveMessage(mempool.HeaderReceived{Header: found.header})
		}
		if found.highest == nil || w.signed.verifyCertificate(found.highest) {
			v.stepMempool(mempool.TipReceived{From: from, Certificate: found.highest})
		}
	})
}

// ancestors returns the named certificates that are stored and their ancestors above a round, parents first.
func (v *validator) ancestors(round remora.Round, wanted []remora.Parent, above remora.Round) ([]*remora.Certificate, error) {
	var found []*remora.Certificate
	for ; round > above && len(wanted) > 0 && len(found) < maxCertificateRange; round-- {
		var layer []*remora.Certificate
		var parents []remora.Parent
		named := map[remora.Parent]bool{}
		for _, p := range wanted {
			c, err := v.store.Certificate(chainID, round, p.Author)
			if isAbsent(err) || err == nil && c.Digest() != p.Digest {
				continue
			}
			if err != nil {
				return nil, err
			}
			layer = append(layer, c)
			for _, p := range c.Header.Parents {
				if !named[p] {
					named[p] = true
					parents = append(parents, p)
				}
			}
		}
		found, wanted = append(layer, found...), parents
	}
	return found, nil
}

// fetchBatches asks a peer for batches, stores those that come, tells the mempool core, and then how many came.
func (v *validator) fetchBatches(from remora.Authority, digests []remora.Hash, then func(found int)) {
	wanted := make(map[remora.Hash]bool, len(digests))
	for _, d := range digests {
		wanted[d] = true
	}
	askPeer(v, from, func(peer *validator) ([]remora.Batch, error) {
		var found []remora.Batch
		for _, digest := range digests {
			if b, err := peer.batch(digest); err == nil {
				found = append(found, b)
			} else if !isAbsent(err) {
				return nil, err
			}
		}
		return found, nil
	}, func(found []remora.Batch) {
		var genuine []remora.Batch
		for _, b := range found {
			if parsed, err := remora.ParseBatch(b.Raw); err == nil && wanted[parsed.Digest] {
				genuine = append(genuine, parsed)
			}
		}
		if err := v.store.AppendBatches(genuine); err != nil {
			v.haltProcess(err)
			return
		}
		for _, b := range genuine {
			v.stepMempool(mempool.BatchStored{Author: b.Author, Ref: b.Ref()})
		}
		then(len(genuine))
	})
}
