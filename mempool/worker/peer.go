package worker

import (
	"fmt"

	"github.com/remora-network/remora"
)

// maxRecent is how many executed batches of peers are remembered, so that one sent again is acknowledged and no more.
const maxRecent = 4096

// keeper accounts for the peers' batches that are stored here and not executed.
type keeper struct {
	unexecuted map[remora.Hash]peerBatch
	bytes      []int // by author, of those
	done       map[remora.Hash]bool
	recent     []remora.Hash // a ring of done ones
	oldest     int
}

type peerBatch struct {
	author remora.Authority
	epoch  remora.Epoch
	size   int
}

func newKeeper(n int) keeper {
	return keeper{unexecuted: make(map[remora.Hash]peerBatch), bytes: make([]int, n), done: make(map[remora.Hash]bool)}
}

// receive stores a peer's batch and acknowledges it. One that was asked for is stored and not accounted for: asking
// bounds it, and its author does not wait for an answer.
func (c *Core) receive(m PeerBatch) error {
	b := m.Batch
	switch {
	case !c.config.Committee.Has(m.From) || !c.config.Committee.Has(b.Author) || b.Author == c.config.Self && !m.Fetched:
		return fmt.Errorf("%w: author %d, sent by %d", ErrAuthor, b.Author, m.From)
	case b.Worker != c.config.ID:
		return fmt.Errorf("%w: worker %d, this is %d", ErrWorker, b.Worker, c.config.ID)
	case m.Fetched:
		c.store(b)
		return nil
	case b.Author != m.From:
		return fmt.Errorf("%w: author %d, sent by %d, who was not asked", ErrAuthor, b.Author, m.From)
	}
	if _, ok := c.peers.unexecuted[b.Digest]; ok || c.peers.done[b.Digest] {
		c.out.Stored = append(c.out.Stored, Stored{Author: b.Author, Ref: b.Ref()})
		c.out.Acks = append(c.out.Acks, Ack{To: m.From, Digest: b.Digest})
		return nil
	}
	if c.expired(b.Epoch) || b.Epoch > c.epoch+1 { // a peer may be one ahead: it executed a block more
		return fmt.Errorf("%w: epoch %d, this is %d", ErrEpoch, b.Epoch, c.epoch)
	}
	if held := c.peers.bytes[b.Author]; held+len(b.Raw) > c.config.PeerQuota {
		return fmt.Errorf("%w: author %d, %d bytes held of %d", ErrQuota, b.Author, held, c.config.PeerQuota)
	}
	c.peers.bytes[b.Author] += len(b.Raw)
	c.peers.unexecuted[b.Digest] = peerBatch{author: b.Author, epoch: b.Epoch, size: len(b.Raw)}
	c.store(b)
	c.out.Acks = append(c.out.Acks, Ack{To: m.From, Digest: b.Digest})
	return nil
}

func (c *Core) store(b remora.Batch) {
	c.out.Persist = append(c.out.Persist, b)
	c.out.Stored = append(c.out.Stored, Stored{Author: b.Author, Ref: b.Ref()})
}

func (k *keeper) executed(digest remora.Hash) {
	b, ok := k.unexecuted[digest]
	if !ok {
		return
	}
	delete(k.unexecuted, digest)
	k.bytes[b.author] -= b.size
	k.done[digest] = true
	if len(k.recent) < maxRecent {
		k.recent = append(k.recent, digest)
		return
	}
	delete(k.done, k.recent[k.oldest])
	k.recent[k.oldest] = digest
	k.oldest = (k.oldest + 1) % maxRecent
}

// expire forgets the batches that can no longer execute.
func (k *keeper) expire(epoch remora.Epoch) {
	//remora:unordered each entry is judged and dropped by itself
	for digest, b := range k.unexecuted {
		if b.epoch+1 < epoch {
			delete(k.unexecuted, digest)
			k.bytes[b.author] -= b.size
		}
	}
}
