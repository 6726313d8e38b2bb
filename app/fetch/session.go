package fetch

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/proofs/content"
	"github.com/remora-network/remora/proofs/delivery"
)

const chunkSize = content.ChunkSize

// session is a session on the chain of which this process holds the book.
type session struct {
	book     *book
	head     bookHead
	key      *bls.SecretKey
	id       remora.SessionID
	fresh    bool // it was opened by this call: caches may not know it yet
	receipts int  // signed by this call
	accounts map[remora.Address]*account
}

// newSession joins what the chain knows of a session with its book.
func newSession(b *book, head bookHead, key *bls.SecretKey, o *Opened) (*session, error) {
	of := o.Session
	if of.Owner != head.Owner || of.Number != head.Number || of.Scheme != remora.SchemeBLS || of.Key != key.Public() || of.Expiry > head.Expiry {
		return nil, fmt.Errorf("%w: the chain's session %d is not the one that this account opened as number %d: ask another node", remora.ErrInvalid, of.ID, head.Number)
	}
	s := &session{book: b, head: head, key: key, id: of.ID, accounts: map[remora.Address]*account{}}
	s.head.Expiry = of.Expiry
	for node, grant := range o.Grants {
		s.accounts[node] = &account{session: s, node: node, granted: grant.Granted, tally: new(delivery.Tally), credit: credit{careful: true}}
	}
	return s, nil
}

// replay takes the entries of the book.
func (s *session) replay(entries []bookEntry) error {
	for i := range entries {
		a := s.accounts[entries[i].Ack.Receipt.Receipt.Node]
		if a == nil {
			return fmt.Errorf("session book: %w: a receipt for a cache that session %d grants nothing", remora.ErrCorrupt, s.id)
		}
		if err := a.replay(&entries[i]); err != nil {
			return fmt.Errorf("session book: %w", err)
		}
	}
	return nil
}

// order returns the accounts that may deliver a content, the first choice first, except that caches which failed before
// come last.
func (s *session) order(root remora.Hash, failed map[remora.Address]bool) []*account {
	nodes := slices.Collect(maps.Keys(s.accounts))
	var good, bad []*account
	for _, node := range remora.Assign(root, nodes, len(nodes)) {
		switch a := s.accounts[node]; {
		case a.refused || !a.room():
		case failed[node]:
			bad = append(bad, a)
		default:
			good = append(good, a)
		}
	}
	return append(good, bad...)
}

// store signs a voucher and writes it into the book. Only after that it may leave this process.
func (s *session) store(v *voucher) error {
	if v.stored {
		return nil
	}
	message := v.ack.Receipt.Receipt.Message(s.head.ChainID, remora.SchemeBLS)
	v.ack.Receipt.Signature = s.key.Sign(message[:])
	if err := s.book.append(bookEntry{Ack: v.ack, Unsure: v.unsure}); err != nil {
		return err
	}
	v.stored = true
	s.receipts++
	return nil
}

// request makes the request for a range of a content, or for none, that takes a voucher along. The account is proven.
func (s *session) request(a *account, pass remora.Hash, c remora.Content, r content.Range, v *voucher) []byte {
	ask := transfer.DeliveryRequest{Session: s.id, Pass: pass, Proof: *a.proof, Content: c, Offset: r.Offset, Bytes: r.Length}
	if v != nil {
		ask.Acks = []transfer.Acknowledgement{v.ack}
	}
	return remora.Encode(&ask)
}

// prove signs the pass for a cache, once.
func (s *session) prove(a *account, pass remora.Hash) {
	if a.proof == nil {
		message := remora.DeliveryMessage(s.head.ChainID, s.id, a.node, pass)
		proof := s.key.Sign(message[:])
		a.proof = &proof
	}
}

// keep stores what is still owed in the book, to be sent with the next fetch.
func (s *session) keep(a *account) error {
	for len(a.owed) > 0 {
		if err := a.draw(); errors.Is(err, delivery.ErrFull) {
			break
		} else if err != nil {
			return err
		}
	}
	for _, v := range a.queue {
		if err := s.store(v); err != nil {
			return err
		}
	}
	return nil
}
