package fetch

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/crypto/bls"
)

// prepaid is a session on the chain whose book this process holds.
type prepaid struct {
	book     *book
	key      *bls.SecretKey
	id       remora.SessionID
	fresh    bool // opened by this call: caches may not know it yet
	receipts int  // signed by this call
	accounts map[remora.Address]*account
}

// newPrepaid returns a session with empty accounts, after checking that the chain's and the book's are the same.
func newPrepaid(b *book, head bookHead, key *bls.SecretKey, o *Opened) (*prepaid, error) {
	of := o.Session
	if of.Owner != head.Owner || of.Number != head.Number || of.Scheme != remora.SchemeBLS || of.Key != key.Public() || of.Expiry > head.Expiry {
		return nil, fmt.Errorf("%w: the chain's session %d is not the one that this account opened as number %d: ask another node", remora.ErrInvalid, of.ID, head.Number)
	}
	s := &prepaid{book: b, key: key, id: of.ID, accounts: map[remora.Address]*account{}}
	for node, grant := range o.Grants {
		s.accounts[node] = &account{of: s, Buyer: session.NewBuyer(session.Deal{
			Domain: head.Domain, Session: of.ID, Node: node, Scheme: of.Scheme, Granted: grant.Granted, Expiry: of.Expiry,
		})}
	}
	return s, nil
}

// restoreEntries passes the entries of the book to their accounts.
func (s *prepaid) restoreEntries(entries []session.Entry) error {
	for i := range entries {
		a := s.accounts[entries[i].Ack.Receipt.Receipt.Node]
		if a == nil {
			return fmt.Errorf("session book: %w: a receipt for a cache that session %d grants nothing", remora.ErrCorrupt, s.id)
		}
		if err := a.Restore(&entries[i]); err != nil {
			return fmt.Errorf("session book: %w", err)
		}
	}
	return nil
}
