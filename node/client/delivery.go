package client

import (
	"context"

	"github.com/remora-network/remora"
)

// Grant is a session's allotment to a node.
type Grant struct {
	Node remora.Address `json:"node"`
	remora.Grant
}

// Session is a session with its grants, in the order of their nodes.
type Session struct {
	remora.Session
	Grants []Grant `json:"grants"`
}

// Sessions is a page of an account's sessions.
type Sessions struct {
	Sessions []Session `json:"sessions"`
	Next     *uint64   `json:"next" doc:"pass it as after for the next page; null at the end"`
}

// Claim is a node's claim for its deliveries of one epoch.
type Claim struct {
	ID       remora.Hash       `json:"id"`
	Node     remora.Address    `json:"node"`
	Epoch    remora.Epoch      `json:"epoch" doc:"of the receipts"`
	Bytes    uint64            `json:"bytes"`
	Receipts uint32            `json:"receipts" doc:"number of receipts"`
	State    remora.ClaimState `json:"state"`
	Paid     remora.Amount     `json:"paid" doc:"to the node, once the claim is settled"`
	Value    remora.Amount     `json:"value"`
	Deposit  remora.Amount     `json:"deposit"`
	Height   remora.Height     `json:"height" doc:"of the block that committed it"`
	Step     uint64            `json:"step" doc:"of the beacon that challenges it"`
	Release  remora.Epoch      `json:"release" doc:"epoch in which payout and deposit become the node's, once the claim is settled"`
	Released bool              `json:"released" doc:"payout and deposit are the node's"`
}

// Claims is a page of a node's claims.
type Claims struct {
	Claims []Claim       `json:"claims"`
	Next   *remora.Epoch `json:"next" doc:"pass it as after for the next page; null at the end"`
}

// Session returns a session, or remora.ErrNotFound once it is refunded.
func (c *Client) Session(ctx context.Context, id remora.SessionID) (*Session, error) {
	return callMethod(ctx, c, GetSession, SessionQuery{id})
}

// SessionByNumber returns the session that an account opened under a number, or remora.ErrNotFound.
func (c *Client) SessionByNumber(ctx context.Context, owner remora.Address, number uint64) (*Session, error) {
	found, err := callMethod(ctx, c, ListSessions, SessionListQuery{Address: owner, Number: &number, Page: Page[uint64]{Limit: 1}})
	if err != nil {
		return nil, err
	}
	if len(found.Sessions) == 0 {
		return nil, remora.ErrNotFound
	}
	return &found.Sessions[0], nil
}

// Sessions returns all sessions of an account that are not refunded.
func (c *Client) Sessions(ctx context.Context, owner remora.Address) ([]Session, error) {
	return collectPages(func(p Page[uint64]) ([]Session, *uint64, error) {
		s, err := callMethod(ctx, c, ListSessions, SessionListQuery{Address: owner, Page: p})
		return s.Sessions, s.Next, err
	})
}

// Claims returns all claims of the node with a name or an account, by epoch.
func (c *Client) Claims(ctx context.Context, nameOrAddress string) ([]Claim, error) {
	return collectPages(func(p Page[remora.Epoch]) ([]Claim, *remora.Epoch, error) {
		s, err := callMethod(ctx, c, ListClaims, ClaimListQuery{Node: nameOrAddress, Page: p})
		return s.Claims, s.Next, err
	})
}
