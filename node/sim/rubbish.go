package sim

import (
	"encoding/binary"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/state/statetest"
)

// How much an attack sends. Rounds take about ten ticks.
const (
	floodEach  = 2  // messages a tick, of a flood
	pinEach    = 24 // batches to each peer, for every own header
	pinMost    = pushQuota / 4096
	listedEach = 4  // batches for every own header that the other attacks list
	tinyMost   = 16 // own headers that are full of tiny batches
)

const (
	// farEpoch is an epoch that no run reaches.
	farEpoch remora.Epoch = 1 << 40
	// firstForged is the number of the first forged batch, above those of the worker core.
	firstForged = 1 << 48
)

// forger makes batches that are well-formed and signed, and that no worker core would make.
type forger struct {
	seq    uint64 // batches made so far
	txs    uint64 // transactions made so far
	full   int    // own headers filled with tiny batches
	pinned remora.Epoch
	sent   int // batches to each peer that were sealed in the pinned epoch
}

// attackPeers does, once a tick, what an attacker sends beside the messages of its cores. All attacks but the flood go by its
// own headers, so that they stop while the validator is cut off.
func (a *actor) attackPeers() {
	if a.behaviour == Flood {
		for range floodEach {
			a.floodPeers()
		}
		return
	}
	if !a.proposed {
		return
	}
	a.proposed = false
	switch a.behaviour {
	case PinQuota:
		a.pinQuotas()
	case TinyBatches:
		if a.forged.full < tinyMost {
			a.forged.full++
			a.offerBatches(a.tinyBatches(remora.MaxHeaderBatches))
		}
	case BadTransactions:
		a.offerBatches(a.faultyBatches())
	case FutureEpoch:
		next := a.v.backlog.Epoch() + 1
		a.offerBatches(a.emptyPromises(listedEach, next))
		a.offerBatches(a.emptyPromises(listedEach, farEpoch))
	default: // does something else
	}
}

// pinQuotas sends each peer batches that nobody else has, and every second one to its successor too, all sealed in the epoch to
// come: none of them can be accepted before that. Peers that adopted them would make the others fetch them. Its own headers list
// batches that nobody ever accepts.
func (a *actor) pinQuotas() {
	f := &a.forged
	if next := a.v.backlog.Epoch() + 1; next != f.pinned {
		f.pinned, f.sent = next, 0
	}
	peers := a.otherAuthorities()
	for i := 0; i < pinEach && f.sent < pinMost; i++ {
		f.sent++
		for at, to := range peers {
			batches := a.emptyPromises(1, f.pinned)
			if !a.storeBatches(batches) {
				return
			}
			a.v.sendBatch(to, batches[0])
			if i%2 == 0 {
				a.v.sendBatch(peers[(at+1)%len(peers)], batches[0])
			}
		}
	}
	if far := a.emptyPromises(listedEach, farEpoch); a.storeBatches(far) {
		a.listBatches(far)
	}
}

// offerBatches sends batches to all peers, and has the next own header list them.
func (a *actor) offerBatches(batches []remora.Batch) {
	if !a.storeBatches(batches) {
		return
	}
	for _, b := range batches {
		for _, to := range a.otherAuthorities() {
			a.v.sendBatch(to, b)
		}
	}
	a.listBatches(batches)
}

func (a *actor) listBatches(batches []remora.Batch) {
	for _, b := range batches {
		a.v.stepMempool(mempool.BatchReady{Ref: b.Ref()})
	}
}

// storeBatches keeps batches so that the process can answer for them, and reports whether it lives on.
func (a *actor) storeBatches(batches []remora.Batch) bool {
	if !a.v.up {
		return false
	}
	if err := a.v.store.AppendBatches(batches); err != nil {
		a.v.haltProcess(err)
		return false
	}
	return true
}

// sealBatch makes a batch of the attacker.
func (a *actor) sealBatch(epoch remora.Epoch, txs ...[]byte) remora.Batch {
	var builder remora.BatchBuilder
	for _, tx := range txs {
		builder.Add(tx)
	}
	a.forged.seq++
	return builder.Seal(a.v.world.committee.Term, epoch, a.v.self, 0, firstForged+a.forged.seq)
}

// declareWeight returns the batch with another declared weight.
func declareWeight(b remora.Batch, w remora.Weight) remora.Batch {
	binary.BigEndian.PutUint64(b.Raw[remora.BatchWeightOffset:], uint64(w))
	b.Weight, b.Digest = w, remora.SumBLAKE3(b.Raw)
	return b
}

// freshTx returns a valid transaction that nobody has seen.
func (a *actor) freshTx() []byte {
	a.forged.txs++
	payload := binary.BigEndian.AppendUint16([]byte("attack"), uint16(a.v.self))
	return remora.EncodeOpaque(binary.BigEndian.AppendUint64(payload, a.forged.txs))
}

// tinyBatches returns batches of one small transaction that are valid in all ways.
func (a *actor) tinyBatches(n int) []remora.Batch {
	return a.emptyPromises(n, a.v.backlog.Epoch())
}

// emptyPromises returns small batches of an epoch.
func (a *actor) emptyPromises(n int, epoch remora.Epoch) []remora.Batch {
	batches := make([]remora.Batch, n)
	for i := range batches {
		batches[i] = a.sealBatch(epoch, a.freshTx())
	}
	return batches
}

// faultyBatches returns a batch with each fault behind a good transaction, one that declares less than its transactions weigh,
// and one that no block has room for.
func (a *actor) faultyBatches() []remora.Batch {
	epoch := a.v.backlog.Epoch()
	var batches []remora.Batch
	for _, bad := range a.faultyTxs() {
		batches = append(batches, a.sealBatch(epoch, a.freshTx(), bad, bad, a.freshTx()))
	}
	light := a.sealBatch(epoch, a.freshTx(), remora.EncodeOpaque(make([]byte, 4096)), a.freshTx())
	heavy := a.sealBatch(epoch, a.freshTx())
	return append(batches, declareWeight(light, 2*remora.MinTxWeight), declareWeight(heavy, remora.MaxBlockWeight+1))
}

// faultyTxs returns transactions that are faults whatever the state is: malformed, of another chain, of no kind, with a wrong
// signature. Their sender has an account.
func (a *actor) faultyTxs() [][]byte {
	g := a.v.world.genesis
	signed := func(change func(*remora.Tx)) []byte {
		a.forged.txs++
		tx := statetest.Tx(g, victim, a.forged.txs%8, remora.KindTransfer, remora.Transfer{To: statetest.Address("nobody"), Amount: 1})
		change(&tx)
		return statetest.Signed(g, tx)
	}
	forged := signed(func(*remora.Tx) {})
	forged[len(forged)-1] ^= 1
	return [][]byte{
		{0xff, byte(a.forged.txs)},
		forged,
		signed(func(tx *remora.Tx) { tx.ChainID = "another" }),
		signed(func(tx *remora.Tx) { tx.Kind = 200 }),
	}
}

// floodPeers sends all peers one message that has to be verified before it can be refused.
func (a *actor) floodPeers() {
	chance, own := a.v.world.evil, a.v.core.Round()
	switch chance.IntN(5) {
	case 0:
		h := &remora.Header{
			Term: a.v.world.committee.Term, Author: a.v.self, Round: own + 1, CreatedAt: remora.Millis(chance.Uint32()),
			Parents: a.forgeParents(),
		}
		h.Seal(a.v.world.committee.Domain)
		h.Signature[chance.IntN(len(h.Signature))] = 1
		a.v.transmitMessage(&mempool.Outgoing{Broadcast: true, Header: h}, 0)
	case 1:
		h := remora.Header{Term: a.v.world.committee.Term, Author: a.otherAuthorities()[0], Round: own + 1, Parents: a.forgeParents()}
		h.Seal(a.v.world.committee.Domain)
		signers := remora.NewBitmap(a.v.world.committee.Size(), a.otherAuthorities()...)
		c := &remora.Certificate{Header: h, Signers: signers}
		c.Signature[chance.IntN(len(c.Signature))] = 1
		a.v.transmitMessage(&mempool.Outgoing{Broadcast: true, Certificate: c}, 0)
	case 2:
		for _, to := range a.otherAuthorities() {
			if h := a.newest[to]; h != nil {
				vote := a.signVote(h)
				vote.Signature[chance.IntN(len(vote.Signature))] ^= 1
				a.v.transmitMessage(&mempool.Outgoing{To: to, Vote: &vote}, to)
			}
		}
	case 3:
		about := remora.Hash{1: byte(chance.Uint32()), 2: byte(chance.Uint32())}
		for _, to := range a.otherAuthorities() {
			a.v.world.sendMessage(a.v, to, ackArrives, about, func(peer *host) {
				peer.tellWorker(worker.Acked{From: a.v.self, Digest: about})
			})
		}
	default:
		garbage := a.sealBatch(a.v.backlog.Epoch(), binary.BigEndian.AppendUint64([]byte{0xff}, chance.Uint64()))
		if a.storeBatches([]remora.Batch{garbage}) {
			for _, to := range a.otherAuthorities() {
				a.v.sendBatch(to, garbage)
			}
		}
	}
}

// forgeParents names certificates that nobody has, of all members.
func (a *actor) forgeParents() []remora.Parent {
	parents := make([]remora.Parent, a.v.world.committee.Size())
	for i := range parents {
		parents[i] = remora.Parent{Author: remora.Authority(i), Digest: remora.Hash{31: 1, 0: byte(a.v.world.evil.Uint32())}}
	}
	return parents
}
