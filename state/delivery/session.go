package delivery

import (
	"encoding/binary"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

// Open opens a session and moves its price from the owner's account into its grants. The error is a Rejection when the session
// breaks a limit, allots bytes to an account without a cache, costs more than the account holds, or lacks a proof of
// possession, which is checked last, since it costs most. The caller rolls back what a refused session has written.
func Open(o *table.Overlay, b *Block, v verdict.Verifier, owner remora.Address, in *remora.OpenSession) error {
	if err := in.Check(); err != nil {
		return remora.Reject(remora.CodeInvalidSession, "%v", err)
	}
	if in.Expiry < b.Epoch || in.Expiry-b.Epoch > remora.MaxSessionEpochs {
		return remora.Reject(remora.CodeInvalidSession, "the session expires with epoch %d, want %d to %d",
			in.Expiry, b.Epoch, b.Epoch+remora.MaxSessionEpochs)
	}
	_, taken, err := ByNumber(o, owner, in.Number)
	if err != nil {
		return err
	}
	if taken {
		return remora.Reject(remora.CodeSessionExists, "the account already has a session with number %d: choose another number", in.Number)
	}
	for _, a := range in.Allotments {
		if err := checkCache(o, a.Node); err != nil {
			return err
		}
	}
	id, err := nextSession(o)
	if err != nil {
		return err
	}
	if err := fundGrants(o, b, owner, id, in.Allotments); err != nil {
		return err
	}
	if !v.Holds(verdict.Possession{Public: in.Key, Proof: in.Possession}) {
		return remora.Reject(remora.CodeInvalidSession, "possession does not prove possession of the session's key")
	}
	s := remora.Session{
		ID: id, Owner: owner, Number: in.Number, Scheme: in.Scheme, Key: in.Key,
		Price: b.Params.PricePerMiB, Opened: b.Epoch, Expiry: in.Expiry, Nodes: make([]remora.Address, len(in.Allotments)),
	}
	for i, a := range in.Allotments {
		s.Nodes[i] = a.Node
	}
	o.Put(table.Sessions, sessionKey(id), remora.Encode(s))
	o.Put(table.SessionNumbers, numberKey(owner, in.Number), sessionKey(id))
	o.Put(table.Deadlines, expiryKey(s.Expiry, id), []byte{})
	return nil
}

func checkCache(v table.View, account remora.Address) error {
	node, exists, err := registry.Get(v, account)
	if err == nil && (!exists || node.Roles&remora.RoleCache == 0) {
		err = remora.Reject(remora.CodeUnknownCache, "account %s has not registered a cache", account)
	}
	return err
}

// nextSession allocates the id of a new session.
func nextSession(o *table.Overlay) (remora.SessionID, error) {
	last := uint64(0)
	b, err := o.Get(table.Sessions, nextKey)
	if err != nil {
		return 0, err
	}
	if b != nil {
		if len(b) != 8 {
			return 0, fmt.Errorf("%w: number of the next session", remora.ErrCorrupt)
		}
		last = binary.BigEndian.Uint64(b)
	}
	o.Put(table.Sessions, nextKey, sessionKey(remora.SessionID(last+1)))
	return remora.SessionID(last + 1), nil
}

// fundGrants creates the grants of a session and moves their price from the owner's account into them.
func fundGrants(o *table.Overlay, b *Block, owner remora.Address, id remora.SessionID, allotments []remora.Allotment) error {
	var sum remora.Amount
	for _, a := range allotments {
		cost, fits := remora.Cost(a.Bytes, b.Params.PricePerMiB)
		total, fitsToo := sum.Add(cost)
		if !fits || !fitsToo {
			return remora.Reject(remora.CodeOverflow, "the allotments cost more than 2^64 base units")
		}
		sum = total
		g := remora.Grant{Granted: a.Bytes, Left: a.Bytes, Held: cost}
		o.Put(table.Grants, grantKey(id, a.Node), remora.Encode(g))
	}
	return ledger.Take(o, owner, sum)
}

// Close makes the present epoch the last one of a session.
func Close(o *table.Overlay, b *Block, owner remora.Address, in *remora.CloseSession) error {
	s, exists, err := GetSession(o, in.Session)
	switch {
	case err != nil:
		return err
	case !exists:
		return remora.Reject(remora.CodeUnknownSession, "session %d does not exist", in.Session)
	case s.Owner != owner:
		return remora.Reject(remora.CodeSessionNotOwned, "session %d belongs to account %s", s.ID, s.Owner)
	case s.Expiry <= b.Epoch:
		return remora.Reject(remora.CodeInvalidSession, "session %d already ends with epoch %d; the refund follows", s.ID, s.Expiry)
	}
	o.Delete(table.Deadlines, expiryKey(s.Expiry, s.ID))
	s.Expiry = b.Epoch
	o.Put(table.Sessions, sessionKey(s.ID), remora.Encode(s))
	o.Put(table.Deadlines, expiryKey(s.Expiry, s.ID), []byte{})
	return nil
}

// refundSession returns the coins left in a session to its owner and deletes it.
func refundSession(o *table.Overlay, s *remora.Session) error {
	var sum remora.Amount
	err := Grants(o, s, func(node remora.Address, g remora.Grant) {
		sum += g.Held
		o.Delete(table.Grants, grantKey(s.ID, node))
	})
	if err != nil {
		return err
	}
	o.Delete(table.Sessions, sessionKey(s.ID))
	o.Delete(table.SessionNumbers, numberKey(s.Owner, s.Number))
	o.Delete(table.Deadlines, expiryKey(s.Expiry, s.ID))
	return ledger.Give(o, s.Owner, sum)
}
