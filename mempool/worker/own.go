package worker

import (
	"fmt"
	"slices"

	"github.com/remora-network/remora"
)

// maxBackoff is the largest time between repetitions, in units of Config.ResendTicks.
const maxBackoff = 8

// maker builds this authority's batches and keeps them until they execute.
type maker struct {
	builder    remora.BatchBuilder
	seq        uint64 // of the batch under construction
	since      int    // tick of its first transaction
	unexecuted map[remora.Hash]*ownBatch
	order      []*ownBatch // the same batches, oldest first
	bytes      int         // their charges
	highest    uint64      // number of the highest accepted batch
}

type ownBatch struct {
	batch     remora.Batch
	acks      remora.Bitmap // includes this authority
	stake     remora.Amount // of acks
	certified bool          // a quorum acknowledged it
	accepted  bool          // it waits in the state for execution
	offered   int           // tick
	silent    bool          // resent once after its quorum and no more: peers that lack it fetch it
	wait, due int           // ticks between repetitions, and tick of the next one
}

func (m *maker) pendingBytes() int {
	if m.builder.Count() == 0 {
		return m.bytes
	}
	return m.bytes + m.builder.Len()
}

func (m *maker) removeBatch(digest remora.Hash) {
	b, ok := m.unexecuted[digest]
	if !ok {
		return
	}
	delete(m.unexecuted, digest)
	i := slices.Index(m.order, b)
	m.order = slices.Delete(m.order, i, i+1)
	m.bytes -= chargeOf(&b.batch)
}

func chargeOf(b *remora.Batch) int {
	ref := b.Ref()
	return ref.Charge()
}

// Submit adds a copy of a transaction to the batch under construction and returns that batch's number. On ErrBusy nothing
// was added, and the client should wait.
func (c *Core) Submit(tx []byte) (seq uint64, err error) {
	if len(tx) == 0 || len(tx) > remora.MaxTxBytes {
		return 0, fmt.Errorf("%w: %d bytes, want 1 to %d", ErrTxSize, len(tx), remora.MaxTxBytes)
	}
	if c.own.pendingBytes()+len(tx) > c.config.MaxPending {
		return 0, ErrBusy
	}
	m := &c.own
	if m.builder.Count() > 0 && !m.builder.Fits(tx, c.config.MaxBatch) {
		c.sealBatch()
	}
	if m.builder.Count() == 0 {
		m.since = c.clock
	}
	m.builder.Add(tx)
	return m.seq, nil
}

// sealBatch finishes the batch under construction and sends it to the peers.
func (c *Core) sealBatch() {
	m := &c.own
	b := m.builder.Seal(c.config.Committee.Term, c.ahead, c.config.Self, c.config.ID, m.seq)
	m.seq++
	c.out.Persist = append(c.out.Persist, b)
	c.out.Sealed = append(c.out.Sealed, Sealed{Seq: b.Seq, Digest: b.Digest, Count: b.Count})
	c.offerBatch(b)
}

// offerBatch sends a new batch to the peers and counts this authority's ack.
func (c *Core) offerBatch(b remora.Batch) {
	own := &ownBatch{
		batch: b, acks: remora.NewBitmap(c.config.Committee.Size()),
		wait: c.config.ResendTicks, due: c.clock + c.config.ResendTicks, offered: c.clock,
	}
	c.own.unexecuted[b.Digest] = own
	c.own.order = append(c.own.order, own)
	c.own.bytes += chargeOf(&b)
	c.out.Broadcast = append(c.out.Broadcast, b)
	c.countAck(own, c.config.Self)
}

func (c *Core) receiveAck(from remora.Authority, digest remora.Hash) error {
	if !c.config.Committee.Has(from) || from == c.config.Self {
		return fmt.Errorf("%w: from authority %d", ErrAck, from)
	}
	if own, ok := c.own.unexecuted[digest]; ok { // otherwise it has executed and the ack is late
		c.countAck(own, from)
	}
	return nil
}

func (c *Core) countAck(own *ownBatch, from remora.Authority) {
	if own.acks.Has(from) {
		return
	}
	own.acks.Add(from)
	own.stake += c.config.Committee.Stake(from)
	if own.certified || own.stake < c.config.Committee.Quorum() {
		return
	}
	own.certified = true
	c.out.Certified = append(c.out.Certified, own.batch.Ref())
}

// resendUnacked repeats batches, at doubling intervals, to the peers that have not acknowledged them: until a quorum has,
// and once afterwards.
func (c *Core) resendUnacked() {
	for _, own := range c.own.order {
		if own.silent || own.accepted || c.clock < own.due {
			continue
		}
		own.wait = min(2*own.wait, maxBackoff*c.config.ResendTicks)
		own.due, own.silent = c.clock+own.wait, own.certified
		for a := range remora.Authority(c.config.Committee.Size()) {
			if !own.acks.Has(a) {
				c.out.Resend = append(c.out.Resend, Resend{To: a, Batch: own.batch})
			}
		}
	}
}

// notePeerAlive notes a message of a peer. The first one after a silence makes all batches without a quorum due at once:
// their regular turn may come long after a partition has healed.
func (c *Core) notePeerAlive(from remora.Authority) {
	if !c.config.Committee.Has(from) {
		return
	}
	silence := c.clock - c.heard[from]
	if c.heard[from] = c.clock; silence < c.config.ResendTicks {
		return
	}
	for _, own := range c.own.order {
		if !own.certified {
			own.wait, own.due = c.config.ResendTicks, c.clock
		}
	}
}

// Starving returns the ticks for which the oldest batch without a quorum has waited for it, 0 if there is none.
func (c *Core) Starving() int {
	for _, own := range c.own.order {
		if !own.certified {
			return c.clock - own.offered
		}
	}
	return 0
}

// acceptOwn follows the acceptance of a batch of this worker. Another batch under the same number, of a run whose disk is
// lost, takes the place of this one, which is sealed again under a new number.
func (c *Core) acceptOwn(ref *remora.BatchRef) {
	c.own.highest = max(c.own.highest, ref.Seq)
	c.own.seq = max(c.own.seq, ref.Seq+1)
	for _, own := range c.own.order {
		if own.batch.Seq != ref.Seq {
			continue
		}
		if own.batch.Digest == ref.Digest {
			own.accepted, own.certified = true, true
		} else {
			c.resealBatch(own.batch, c.own.takeSeq())
		}
		return
	}
}

// resealExpired seals the own batches again, oldest first, that expired and were not accepted.
func (c *Core) resealExpired() {
	for _, own := range slices.Clone(c.own.order) {
		if !own.accepted && c.hasExpired(own.batch.Epoch) {
			c.renewBatch(own.batch)
		}
	}
}

// renewBatch seals an expired batch again. It keeps its number while that can be accepted, so that a restart that finds both on
// disk knows that they hold the same transactions.
func (c *Core) renewBatch(b remora.Batch) {
	seq := b.Seq
	if seq+remora.AcceptWindow < c.own.highest {
		seq = c.own.takeSeq()
	}
	c.resealBatch(b, seq)
}

func (m *maker) takeSeq() uint64 {
	m.seq++
	return m.seq - 1
}

// resealBatch seals the transactions of a batch that can not be accepted any more in the present epoch, without those that are
// not worth it. If none is, no batch takes its place.
func (c *Core) resealBatch(b remora.Batch, seq uint64) {
	c.own.removeBatch(b.Digest)
	var builder remora.BatchBuilder
	for _, tx := range b.Txs() {
		if c.config.Keep(tx, c.ahead) {
			builder.Add(tx)
		} else {
			c.out.Dropped = append(c.out.Dropped, tx)
		}
	}
	if builder.Count() == 0 {
		return
	}
	renewed := builder.Seal(c.config.Committee.Term, c.ahead, c.config.Self, c.config.ID, seq)
	c.out.Persist = append(c.out.Persist, renewed)
	c.offerBatch(renewed)
}

// restoreBatch offers a batch of an earlier run again, because its acks were not recorded.
func (c *Core) restoreBatch(b remora.Batch, accepted bool) error {
	if b.Author != c.config.Self || b.Worker != c.config.ID {
		return fmt.Errorf("worker: %w: restored batch of author %d, worker %d", remora.ErrCorrupt, b.Author, b.Worker)
	}
	if _, ok := c.own.unexecuted[b.Digest]; ok {
		return nil
	}
	c.own.seq = max(c.own.seq, b.Seq+1)
	switch {
	case accepted:
		own := &ownBatch{batch: b, accepted: true, certified: true}
		c.own.unexecuted[b.Digest] = own
		c.own.order = append(c.own.order, own)
		c.own.bytes += chargeOf(&b)
	case c.hasExpired(b.Epoch):
		c.renewBatch(b)
	default:
		c.offerBatch(b)
	}
	return nil
}
