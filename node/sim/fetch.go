package sim

import (
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
)

// Bounds of answers, as in the node.
const (
	maxCertificateRange = 512
	maxBlockRange       = 64
)

// heldBelow is how far below its round a validator asks for ancestors that it did not name.
const heldBelow = 3

// ask has a peer's process answer a question, there and back over the network. An answer to a process that has ended is
// lost.
func ask[T any](v *validator, to remora.Authority, what string, serve func(*validator) (T, error), then func(T)) {
	process := v.life
	v.world.send(v.self, to, "asks for "+what, func(peer *validator) {
		answer, err := serve(peer)
		if err != nil {
			peer.halt(err)
			return
		}
		v.world.send(to, v.self, what, func(v *validator) {
			if v.life == process {
				then(answer)
			}
		})
	})
}

// want answers what the store has and asks a peer for the rest. The core repeats what does not come.
func (v *validator) want(w mempool.Want) {
	if len(w.Parents) > 0 {
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
		v.step(mempool.BatchStored{Author: b.Author, Ref: b.Ref()})
	}
	if len(absent) > 0 {
		v.fetchBatches(w.From, absent)
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
	ask(v, w.From, "certificates", func(peer *validator) ([]*remora.Certificate, error) {
		return peer.ancestors(w.Round, w.Parents, above)
	}, func(found []*remora.Certificate) {
		for _, c := range found {
			v.step(mempool.CertificateReceived{Certificate: c})
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

// fetchBatches asks a peer for batches, stores those that come and tells the mempool core.
func (v *validator) fetchBatches(from remora.Authority, digests []remora.Hash) {
	ask(v, from, "batches", func(peer *validator) ([]remora.Batch, error) {
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
		if err := v.store.AppendBatches(found); err != nil {
			v.halt(err)
			return
		}
		for _, b := range found {
			v.step(mempool.BatchStored{Author: b.Author, Ref: b.Ref()})
		}
	})
}

// catchUp is a block sync under way. Peers are asked in turn, each as long as it has more.
type catchUp struct {
	peer remora.Authority
	idle int           // peers in a row that had nothing new
	from remora.Height // where it began
	turn int           // number of the question, so that a late answer or alarm is told apart
}

// askPatience is how long a question of block sync waits for its answer.
const askPatience = 300 * time.Millisecond

func (v *validator) startSync() {
	v.sync = &catchUp{peer: v.self, from: v.store.Height()}
	v.nextPeer()
}

func (v *validator) nextPeer() {
	n := remora.Authority(v.world.committee.Size())
	if v.sync.peer = (v.sync.peer + 1) % n; v.sync.peer == v.self {
		v.sync.peer = (v.sync.peer + 1) % n
	}
	v.askBlocks()
}

func (v *validator) askBlocks() {
	v.sync.turn++
	turn, next := v.sync.turn, v.store.Height()+1
	ask(v, v.sync.peer, "blocks", func(peer *validator) ([]*remora.CertifiedBlock, error) {
		var found []*remora.CertifiedBlock
		for h := next; h <= peer.store.Height() && len(found) < maxBlockRange; h++ {
			cb, err := peer.store.CertifiedBlock(h)
			if err != nil {
				return nil, err
			}
			found = append(found, cb)
		}
		return found, nil
	}, func(found []*remora.CertifiedBlock) {
		if v.sync != nil && v.sync.turn == turn {
			v.takeBlocks(found)
		}
	})
	v.wake(askPatience, func() {
		if v.sync != nil && v.sync.turn == turn {
			v.takeBlocks(nil)
		}
	})
}

// takeBlocks executes what a peer had and asks on, until no peer has more.
func (v *validator) takeBlocks(found []*remora.CertifiedBlock) {
	for _, cb := range found {
		if err := v.apply(cb); err != nil {
			v.halt(err)
			return
		}
	}
	if len(found) > 0 {
		v.sync.idle = 0
		v.askBlocks()
		return
	}
	v.sync.idle++
	peers := v.world.committee.Size() - 1
	if enough := v.sync.idle >= peers && v.store.Height() > v.sync.from; !enough && v.sync.idle < peers*peers {
		v.nextPeer()
		return
	}
	v.sync = nil
	if err := v.rebuild(); err != nil {
		v.halt(err)
		return
	}
	v.reannounce()
	v.work()
}
