package door

import (
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/admission"
)

// Outcome is what became of a transaction that waited here.
type Outcome struct {
	Height   remora.Height      // of the block that executed it
	Position int                // among the transactions of the block
	Refusal  *admission.Refusal // this node gave it up, and no block executes it
}

// ended is a transaction that a block executed.
type ended struct {
	ticket  *ticket
	outcome Outcome
}

// passed is a transaction that validators took at a height.
type passed struct {
	ticket *ticket
	height remora.Height
}

// findKnown returns the ticket of a transaction that waits here, or the refusal that is remembered for it.
func (d *Door) findKnown(hash remora.Hash, height remora.Height) (*ticket, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.tickets[hash]; t != nil {
		return t, nil
	}
	if r, known := d.refused.Get(hash); known && height <= r.until {
		return nil, r.refusal
	}
	return nil, nil
}

func (d *Door) remember(hash remora.Hash, r refused) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused.Replace(hash, r)
}

// reserveTx makes a transaction wait here.
func (d *Door) reserveTx(r *admission.Request, tx admission.Tx, balance remora.Amount) (*ticket, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := r.Confirm(tx, balance); err != nil {
		return nil, err
	}
	t := &ticket{hash: tx.Hash, done: make(chan struct{})}
	d.tickets[tx.Hash] = t
	return t, nil
}

// answerTicket answers those who wait for the batch of a transaction, which validators took at a height if they did.
func (d *Door) answerTicket(t *ticket, a Answer, height remora.Height) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t.answer = a
	close(t.done)
	if d.tickets[t.hash] != t {
		return // executed meanwhile
	}
	d.batches[a.Batch]++
	if a.Refusal != nil {
		d.releaseTx(t)
	} else if d.Patience > 0 {
		d.passed = append(d.passed, passed{t, height})
	}
}

// releaseTx ends a transaction, unless it has ended.
func (d *Door) releaseTx(t *ticket) {
	if d.tickets[t.hash] != t {
		return
	}
	d.pending.Release(t.hash)
	delete(d.tickets, t.hash)
	if d.batches[t.answer.Batch]--; d.batches[t.answer.Batch] <= 0 {
		delete(d.batches, t.answer.Batch)
	}
}

// Restore makes the transactions of a batch of an earlier run wait again.
func (d *Door) Restore(batch remora.Batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, raw := range batch.Txs() {
		tx, err := d.Machine.OpenTx(raw)
		if err != nil || tx == nil {
			continue
		}
		hash := remora.TxHash(raw)
		d.pending.Restore(describeTx(tx, raw, hash))
		if d.pending.Holds(hash) && d.tickets[hash] == nil {
			t := &ticket{hash: hash, done: make(chan struct{}), answer: Answer{Batch: batch.Digest}}
			close(t.done)
			d.tickets[hash] = t
			d.batches[batch.Digest]++
		}
	}
}

// DropTx gives a transaction up that no block can accept any more. Whoever waits for it is answered.
func (d *Door) DropTx(raw []byte) {
	hash := remora.TxHash(raw)
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tickets[hash]
	if t == nil {
		return
	}
	d.releaseTx(t)
	d.outcomes.Replace(hash, Outcome{Refusal: &admission.Refusal{
		Code: remora.CodeExpired.String(), Reason: "no block accepted it while it was valid: its nonce is free again, sign it anew",
	}})
}

// NoteBlock ends the transactions that waited here and that a block executed in a batch of this node. The same bytes in a
// batch of somebody else end nothing: whoever saw a transaction could have it skipped there, and here it still waits.
func (d *Door) NoteBlock(block *remora.Block, batches []remora.Batch) {
	if d.Pending() == 0 {
		return
	}
	found := map[remora.Hash]Outcome{}
	position := 0
	for i := range batches {
		if d.mayHold(&batches[i]) {
			for at, raw := range batches[i].Txs() {
				if hash := remora.TxHash(raw); !remora.IsOpaque(raw) {
					found[hash] = Outcome{Height: block.Header.Height, Position: position + at}
				}
			}
		}
		position += batches[i].Count
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for hash, outcome := range found {
		if t := d.tickets[hash]; t != nil {
			d.ended = append(d.ended, ended{t, outcome})
		}
	}
}

// mayHold reports whether a batch may hold transactions that wait here.
func (d *Door) mayHold(b *remora.Batch) bool {
	if d.Owns(b) {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.batches[b.Digest] > 0
}

// endExecuted ends what was executed up to a height, which the caller's view shows, and what was passed on long before it.
func (d *Door) endExecuted(height remora.Height) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = slices.DeleteFunc(d.ended, func(e ended) bool {
		if e.outcome.Height > height {
			return false
		}
		d.releaseTx(e.ticket)
		d.outcomes.Replace(e.ticket.hash, e.outcome)
		return true
	})
	n := 0
	for n < len(d.passed) && d.passed[n].height+d.Patience < height {
		d.releaseTx(d.passed[n].ticket)
		n++
	}
	d.passed = slices.Delete(d.passed, 0, n)
}

// acceptedEpochs is the number of epochs for which a transaction waits here after its last one: its batch may be accepted in
// the epoch after that in which it was sealed, and wait for its execution.
const acceptedEpochs = 2

// endExpired ends what no new batch can hold any more and nobody dropped, when execution has reached an epoch. Nobody is told
// what became of it: DropTx knows, if it was here that it was sealed.
func (d *Door) endExpired(epoch remora.Epoch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if epoch <= d.executed || epoch < acceptedEpochs {
		return
	}
	d.executed = epoch
	for _, hash := range d.pending.ReleaseExpired(epoch - acceptedEpochs) {
		if t := d.tickets[hash]; t != nil {
			d.releaseTx(t)
		}
	}
}

// NoteEpoch notes that ordering has reached an epoch: batches are sealed in it, while execution may be behind.
func (d *Door) NoteEpoch(epoch remora.Epoch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ordered = max(d.ordered, epoch)
}

// newestEpoch returns the newest epoch that is known to be ordered, at least the executed one.
func (d *Door) newestEpoch(executed remora.Epoch) remora.Epoch {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(d.ordered, executed)
}

// Executed returns what became of a transaction that waited here, false as long as it waits, or if this node does not
// remember it.
func (d *Door) Executed(hash remora.Hash) (Outcome, bool) {
	d.endExecuted(d.Head.Tip().Height)
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.outcomes.Get(hash)
}
