package worker

import (
	"fmt"

	"github.com/remora-network/remora"
)

// maxRecent is the number of executed batches to remember: one that arrives again is acknowledged but not stored.
const maxRecent = 4096

// keeper accounts for the batches of peers that are stored here and not ordered yet. Each peer has two accounts: for its own
// batches that it sends, and for batches that its headers make this authority fetch. A charge ends when the block that orders
// the batch is executed, or when nothing can come of it any more: what was accepted is bounded by its author's queue in the
// state.
type keeper struct {
	held   map[remora.BatchRef]charge
	pushed []int                                // charged, by author
	listed []int                                // charged, by author of the header
	done   remora.Recent[remora.Hash, struct{}] // executed
}

// charge says who answers for a batch.
type charge struct {
	by      remora.Authority
	fetched bool
	round   remora.Round // of the header for which it was fetched
}

func newKeeper(n int) keeper {
	return keeper{
		held: make(map[remora.BatchRef]charge), pushed: make([]int, n), listed: make([]int, n),
		done: remora.NewRecent[remora.Hash, struct{}](maxRecent),
	}
}

// receiveBatch stores a peer's own batch within what it may send, and acknowledges it.
func (c *Core) receiveBatch(m PeerBatch) error {
	b := &m.Batch
	if m.From != b.Author || m.From == c.config.Self {
		return fmt.Errorf("%w: author %d, sent by %d", ErrAuthor, b.Author, m.From)
	}
	ref, err := c.checkPeerBatch(b)
	if err != nil {
		return err
	}
	if _, held := c.peers.held[ref]; !held && !c.peers.done.Has(b.Digest) {
		if c.hasExpired(b.Epoch) || b.Epoch > c.ahead+1 { // a peer that ordered one more block may be one epoch ahead
			return fmt.Errorf("%w: epoch %d, this is %d", ErrEpoch, b.Epoch, c.ahead)
		}
		if used := c.peers.pushed[m.From]; used+ref.Charge() > c.config.PushQuota {
			return fmt.Errorf("%w: authority %d, %d bytes held of %d", ErrQuota, m.From, used, c.config.PushQuota)
		}
		c.peers.hold(ref, charge{by: m.From})
		c.out.Persist = append(c.out.Persist, *b)
	}
	c.out.Stored = append(c.out.Stored, Stored{Ref: ref, Proof: m.Proof})
	c.out.Acks = append(c.out.Acks, Ack{To: m.From, Digest: b.Digest})
	return nil
}

// receiveFetched stores a batch that a header lists, of any epoch and author: an own one that this authority has lost, too. Above what the header's author may list, the vote waits for
// this authority's own execution, and for nothing else.
func (c *Core) receiveFetched(m FetchedBatch) error {
	if !c.config.Committee.Has(m.Lister) || m.Lister == c.config.Self {
		return fmt.Errorf("%w: listed by authority %d", ErrAuthor, m.Lister)
	}
	ref, err := c.checkPeerBatch(&m.Batch)
	if err != nil {
		return err
	}
	if _, held := c.peers.held[ref]; !held && !c.peers.done.Has(ref.Digest) {
		if used := c.peers.listed[m.Lister]; used+ref.Charge() > c.config.ListQuota {
			return fmt.Errorf("%w: authority %d, %d bytes listed of %d", ErrQuota, m.Lister, used, c.config.ListQuota)
		}
		c.peers.hold(ref, charge{by: m.Lister, fetched: true, round: m.Round})
		c.out.Persist = append(c.out.Persist, m.Batch)
	}
	c.out.Stored = append(c.out.Stored, Stored{Ref: ref})
	return nil
}

func (c *Core) checkPeerBatch(b *remora.Batch) (remora.BatchRef, error) {
	switch {
	case !c.config.Committee.Has(b.Author):
		return remora.BatchRef{}, fmt.Errorf("%w: %d", ErrAuthor, b.Author)
	case b.Term != c.config.Committee.Term:
		return remora.BatchRef{}, fmt.Errorf("%w: term %d, this is %d", ErrEpoch, b.Term, c.config.Committee.Term)
	case b.Worker != c.config.ID:
		return remora.BatchRef{}, fmt.Errorf("%w: worker %d, this is %d", ErrWorker, b.Worker, c.config.ID)
	}
	return b.Ref(), nil
}

// Crowds reports whether a peer has used more than half of what it may send, or of what it may list.
func (c *Core) Crowds(a remora.Authority) bool {
	return 2*c.peers.pushed[a] > c.config.PushQuota || 2*c.peers.listed[a] > c.config.ListQuota
}

func (k *keeper) account(c charge) *int {
	if c.fetched {
		return &k.listed[c.by]
	}
	return &k.pushed[c.by]
}

func (k *keeper) hold(ref remora.BatchRef, c charge) {
	k.held[ref] = c
	*k.account(c) += ref.Charge()
}

// releaseBatch ends the charge of exactly this reference: one that names the batch falsely ends nothing.
func (k *keeper) releaseBatch(ref *remora.BatchRef) {
	if c, held := k.held[*ref]; held {
		delete(k.held, *ref)
		*k.account(c) -= ref.Charge()
	}
}

// releaseExpired ends the charges of batches that can no longer be accepted.
func (k *keeper) releaseExpired(epoch remora.Epoch) {
	//remora:unordered each entry is judged and dropped independently
	for ref := range k.held {
		if ref.Epoch+1 < epoch {
			k.releaseBatch(&ref)
		}
	}
}

// releaseRounds ends the charges for headers up to a round, which can no longer be ordered.
func (k *keeper) releaseRounds(round remora.Round) {
	//remora:unordered each entry is judged and dropped independently
	for ref, c := range k.held {
		if c.fetched && c.round <= round {
			k.releaseBatch(&ref)
		}
	}
}
