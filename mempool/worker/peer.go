package worker

import (
	"fmt"

	"github.com/remora-network/remora"
)

// maxRecent is the number of executed peers' batches to remember: one that arrives again is acknowledged but not stored.
const maxRecent = 4096

// minCharge is the least quota that a batch takes, in bytes. It bounds the number of batches.
const minCharge = 4 << 10

// quotaCharge returns the quota that a batch takes, here and at the peers, in bytes.
func quotaCharge(b *remora.Batch) int { return max(len(b.Raw), minCharge) }

// keeper accounts for the unexecuted batches of peers that are stored here.
type keeper struct {
	unexecuted map[remora.Hash]peerBatch
	bytes      []int                                // charged, by authority
	done       remora.Recent[remora.Hash, struct{}] // executed
}

type peerBatch struct {
	charged remora.Authority
	epoch   remora.Epoch
	size    int
}

func newKeeper(n int) keeper {
	return keeper{unexecuted: make(map[remora.Hash]peerBatch), bytes: make([]int, n), done: remora.NewRecent[remora.Hash, struct{}](maxRecent)}
}

// receiveBatch stores a peer's batch within the quota of m.From, and acknowledges it unless it was fetched. A fetched
// batch may have expired, because voters must hold all batches that a header lists.
func (c *Core) receiveBatch(m PeerBatch) error {
	b := m.Batch
	switch {
	case !c.config.Committee.Has(m.From) || m.From == c.config.Self ||
		!c.config.Committee.Has(b.Author) || b.Author != m.From && !m.Fetched:
		return fmt.Errorf("%w: author %d, answered for by %d", ErrAuthor, b.Author, m.From)
	case b.Term != c.config.Committee.Term:
		return fmt.Errorf("%w: term %d, this is %d", ErrTerm, b.Term, c.config.Committee.Term)
	case b.Worker != c.config.ID:
		return fmt.Errorf("%w: worker %d, this is %d", ErrWorker, b.Worker, c.config.ID)
	}
	if _, ok := c.peers.unexecuted[b.Digest]; !ok && !c.peers.done.Has(b.Digest) {
		if err := c.storeBatch(m); err != nil {
			return err
		}
	}
	c.out.Stored = append(c.out.Stored, Stored{Ref: b.Ref(), Proof: m.Proof})
	if !m.Fetched {
		c.out.Acks = append(c.out.Acks, Ack{To: m.From, Digest: b.Digest})
	}
	return nil
}

func (c *Core) storeBatch(m PeerBatch) error {
	b := m.Batch
	if !m.Fetched && (c.hasExpired(b.Epoch) || b.Epoch > c.ahead+1) { // a peer that ordered one more block may be one epoch ahead
		return fmt.Errorf("%w: epoch %d, this is %d", ErrEpoch, b.Epoch, c.ahead)
	}
	size := quotaCharge(&b)
	if held := c.peers.bytes[m.From]; held+size > c.config.PeerQuota {
		return fmt.Errorf("%w: authority %d, %d bytes held of %d", ErrQuota, m.From, held, c.config.PeerQuota)
	}
	c.peers.bytes[m.From] += size
	c.peers.unexecuted[b.Digest] = peerBatch{charged: m.From, epoch: b.Epoch, size: size}
	c.out.Persist = append(c.out.Persist, b)
	return nil
}

func (k *keeper) removeExecuted(digest remora.Hash) {
	b, ok := k.unexecuted[digest]
	if !ok {
		return
	}
	delete(k.unexecuted, digest)
	k.bytes[b.charged] -= b.size
	k.done.Add(digest, struct{}{})
}

// removeExpired drops the batches that can no longer execute.
func (k *keeper) removeExpired(epoch remora.Epoch) {
	//remora:unordered each entry is judged and dropped independently
	for digest, b := range k.unexecuted {
		if b.epoch+1 < epoch {
			delete(k.unexecuted, digest)
			k.bytes[b.charged] -= b.size
		}
	}
}
