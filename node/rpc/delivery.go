package rpc

import (
	"cmp"
	"context"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/table"
)

func (s *Server) readSession(_ context.Context, q client.SessionQuery) (*client.Session, error) {
	view := s.Head.Newest()
	defer view.Release()
	found, exists, err := delivery.GetSession(view.Tables, q.ID)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, notFound("session %d: it was never opened, or is refunded", q.ID)
	}
	doc, err := sessionDocument(view.Tables, found)
	return &doc, err
}

func sessionDocument(v table.View, s remora.Session) (client.Session, error) {
	doc := client.Session{Session: s, Grants: []client.Grant{}}
	err := delivery.Grants(v, &s, func(node remora.Address, g remora.Grant) {
		doc.Grants = append(doc.Grants, client.Grant{Node: node, Grant: g})
	})
	return doc, err
}

// listSessions returns a page of an account's sessions by their numbers, or the one with a number.
func (s *Server) listSessions(_ context.Context, q client.SessionListQuery) (*client.Sessions, error) {
	view := s.Head.Newest()
	defer view.Release()
	p := newPage[uint64, client.Session](q.Page, cmp.Compare)
	add := func(one remora.Session) bool {
		return p.addRow(one.Number, func() (client.Session, error) { return sessionDocument(view.Tables, one) })
	}
	if q.Number == nil {
		err := delivery.SessionsOf(view.Tables, q.Address, add)
		return &client.Sessions{Sessions: p.documents, Next: p.next}, cmp.Or(err, p.err)
	}
	p.After = nil
	one, exists, err := delivery.ByNumber(view.Tables, q.Address, *q.Number)
	if err == nil && exists {
		add(one)
	}
	return &client.Sessions{Sessions: p.documents}, cmp.Or(err, p.err)
}

// listClaims returns a page of a node's claims, by the epochs of their receipts.
func (s *Server) listClaims(_ context.Context, q client.ClaimListQuery) (*client.Claims, error) {
	view := s.Head.Newest()
	defer view.Release()
	node, err := accountOf(view.Tables, q.Node)
	if err != nil {
		return nil, err
	}
	p := newPage[remora.Epoch, client.Claim](q.Page, cmp.Compare)
	err = delivery.ClaimsOf(view.Tables, node, func(c remora.Claim) bool {
		return p.addRow(c.Epoch, func() (client.Claim, error) {
			stage, _, err := delivery.Stage(view.Tables, &c)
			return claimDocument(&c, stage), err
		})
	})
	return &client.Claims{Claims: p.documents, Next: p.next}, cmp.Or(err, p.err)
}

func claimDocument(c *remora.Claim, stage remora.ClaimState) client.Claim {
	return client.Claim{
		ID: c.ID, Node: c.Node, Epoch: c.Epoch, Bytes: c.Bytes, Receipts: c.Count, State: stage, Paid: c.Paid,
		Value: c.Value, Deposit: c.Deposit, Height: c.Height, Step: c.Step, Release: c.Release, Released: c.Released,
	}
}
