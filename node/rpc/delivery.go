package rpc

import (
	"context"
	"net/http"
	"strconv"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/state/delivery"
	"github.com/remora-network/remora/state/table"
)

type (
	sessionParams struct {
		ID *remora.SessionID `json:"id"`
	}
	sessionListParams struct {
		Address *remora.Address `json:"address"`
		Number  *uint64         `json:"number"`
		After   *uint64         `json:"after"`
		Limit   *int            `json:"limit"`
	}
	claimListParams struct {
		Node  string        `json:"node"` // name or address
		After *remora.Epoch `json:"after"`
		Limit *int          `json:"limit"`
	}
)

func rpcSession(_ context.Context, s *Server, p sessionParams) (any, error) {
	if p.ID == nil {
		return nil, errParams("id is missing")
	}
	return s.session(*p.ID)
}

func rpcSessions(_ context.Context, s *Server, p sessionListParams) (any, error) {
	if p.Address == nil {
		return nil, errParams("address is missing")
	}
	return s.sessions(p)
}

func rpcClaims(_ context.Context, s *Server, p claimListParams) (any, error) {
	if p.Node == "" {
		return nil, errParams("node is missing: a name or an address")
	}
	return s.claims(p)
}

func (s *Server) restSession(r *http.Request) (any, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, badRequest("session %.24q is not a decimal number", r.PathValue("id"))
	}
	return s.session(remora.SessionID(id))
}

func (s *Server) restSessions(r *http.Request) (any, error) {
	address, err := parseAddress(r.PathValue("address"))
	if err != nil {
		return nil, err
	}
	p := sessionListParams{Address: &address}
	if p.Number, err = optional(r, "number"); err == nil {
		p.After, err = optional(r, "after")
	}
	if err == nil {
		p.Limit, err = limitOf(r)
	}
	if err != nil {
		return nil, err
	}
	return s.sessions(p)
}

func (s *Server) restClaims(r *http.Request) (any, error) {
	p := claimListParams{Node: r.PathValue("name")}
	after, err := optional(r, "after")
	if err == nil {
		p.Limit, err = limitOf(r)
	}
	if err != nil {
		return nil, err
	}
	p.After = (*remora.Epoch)(after)
	return s.claims(p)
}

// optional reads a decimal number of the query, nil when it is not there.
func optional(r *http.Request, name string) (*uint64, error) {
	text := r.FormValue(name)
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, badRequest("%s %.24q is not a decimal number", name, text)
	}
	return &n, nil
}

func limitOf(r *http.Request) (*int, error) {
	n, err := optional(r, "limit")
	if err != nil || n == nil {
		return nil, err
	}
	limit := int(min(*n, maxPage+1))
	return &limit, nil
}

// checkPage returns the size of the page that is asked for.
func checkPage(limit *int) (int, error) {
	if limit == nil {
		return defaultPage, nil
	}
	if *limit < 1 || *limit > maxPage {
		return 0, badRequest("limit %d, want 1 to %d", *limit, maxPage)
	}
	return *limit, nil
}

func (s *Server) session(id remora.SessionID) (*client.Session, error) {
	view := s.Head.Newest()
	defer view.Release()
	found, exists, err := delivery.GetSession(view.Tables, id)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, notFound("session %d: it was never opened, or is refunded", id)
	}
	return sessionDocument(view.Tables, found)
}

func sessionDocument(v table.View, s remora.Session) (*client.Session, error) {
	doc := &client.Session{Session: s, Grants: []client.Grant{}}
	err := delivery.Grants(v, s.ID, func(node remora.Address, g remora.Grant) bool {
		doc.Grants = append(doc.Grants, client.Grant{Node: node, Grant: g})
		return true
	})
	return doc, err
}

// sessions returns a page of an account's sessions by their numbers, or the one with a number.
func (s *Server) sessions(p sessionListParams) (*client.Sessions, error) {
	limit, err := checkPage(p.Limit)
	if err != nil {
		return nil, err
	}
	view := s.Head.Newest()
	defer view.Release()
	var found []remora.Session
	page := &client.Sessions{Sessions: []client.Session{}}
	if p.Number != nil {
		one, exists, err := delivery.ByNumber(view.Tables, *p.Address, *p.Number)
		if err != nil {
			return nil, err
		}
		if exists {
			found = append(found, one)
		}
	} else if err := delivery.SessionsOf(view.Tables, *p.Address, func(one remora.Session) bool {
		if p.After != nil && one.Number <= *p.After {
			return true
		}
		if len(found) == limit {
			page.Next = &found[limit-1].Number
			return false
		}
		found = append(found, one)
		return true
	}); err != nil {
		return nil, err
	}
	for _, one := range found {
		doc, err := sessionDocument(view.Tables, one)
		if err != nil {
			return nil, err
		}
		page.Sessions = append(page.Sessions, *doc)
	}
	return page, nil
}

// claims returns a page of a node's claims, by the epochs of their receipts.
func (s *Server) claims(p claimListParams) (*client.Claims, error) {
	limit, err := checkPage(p.Limit)
	if err != nil {
		return nil, err
	}
	view := s.Head.Newest()
	defer view.Release()
	node, err := accountOf(view.Tables, p.Node)
	if err != nil {
		return nil, err
	}
	page := &client.Claims{Claims: []client.Claim{}}
	var bad error
	err = delivery.ClaimsOf(view.Tables, node, func(c remora.Claim) bool {
		if p.After != nil && c.Epoch <= *p.After {
			return true
		}
		if len(page.Claims) == limit {
			page.Next = &page.Claims[limit-1].Epoch
			return false
		}
		var stage remora.ClaimState
		if stage, _, bad = delivery.Stage(view.Tables, &c); bad != nil {
			return false
		}
		page.Claims = append(page.Claims, claimDocument(&c, stage))
		return true
	})
	if err == nil {
		err = bad
	}
	return page, err
}

func claimDocument(c *remora.Claim, stage remora.ClaimState) client.Claim {
	return client.Claim{
		ID: c.ID, Node: c.Node, Epoch: c.Epoch, Bytes: c.Bytes, Receipts: c.Count, State: stage, Paid: c.Paid,
		Value: c.Value, Deposit: c.Deposit, Height: c.Height, Step: c.Step, Release: c.Release, Released: c.Released,
	}
}
