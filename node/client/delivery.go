package client

import (
	"context"
	"net/url"
	"strconv"

	"github.com/remora-network/remora"
)

// Grant is what a session allots to a node.
type Grant struct {
	Node remora.Address `json:"node"`
	remora.Grant
}

// Session is a session with its grants, by node.
type Session struct {
	remora.Session
	Grants []Grant `json:"grants"`
}

// Sessions is a page of an account's sessions.
type Sessions struct {
	Sessions []Session `json:"sessions"`
	Next     *uint64   `json:"next"` // pass it as after for the next page; null at the end
}

// Claim is a node's claim for the deliveries of an epoch.
type Claim struct {
	ID       remora.Hash       `json:"id"`
	Node     remora.Address    `json:"node"`
	Epoch    remora.Epoch      `json:"epoch"` // of its receipts
	Bytes    uint64            `json:"bytes"`
	Receipts uint32            `json:"receipts"` // their number
	State    remora.ClaimState `json:"state"`
	Paid     remora.Amount     `json:"paid"` // to the node, once it is settled
	Value    remora.Amount     `json:"value"`
	Deposit  remora.Amount     `json:"deposit"`
	Height   remora.Height     `json:"height"`   // that committed it
	Step     uint64            `json:"step"`     // of the beacon that challenges it
	Release  remora.Epoch      `json:"release"`  // in which payout and deposit become the node's, once it is settled
	Released bool              `json:"released"` // they are
}

// Claims is a page of a node's claims.
type Claims struct {
	Claims []Claim       `json:"claims"`
	Next   *remora.Epoch `json:"next"` // pass it as after for the next page; null at the end
}

// Session returns a session. One that is refunded is remora.ErrNotFound.
func (c *Client) Session(ctx context.Context, id remora.SessionID) (*Session, error) {
	s := new(Session)
	return s, c.get(ctx, "/v1/sessions/"+decimal(id), nil, s)
}

// SessionByNumber returns the session that an account opened under a number, or remora.ErrNotFound.
func (c *Client) SessionByNumber(ctx context.Context, owner remora.Address, number uint64) (*Session, error) {
	page := new(Sessions)
	query := url.Values{"number": {strconv.FormatUint(number, 10)}}
	if err := c.get(ctx, "/v1/accounts/"+owner.String()+"/sessions", query, page); err != nil {
		return nil, err
	}
	if len(page.Sessions) == 0 {
		return nil, remora.ErrNotFound
	}
	return &page.Sessions[0], nil
}

// Sessions returns all sessions of an account that are not refunded.
func (c *Client) Sessions(ctx context.Context, owner remora.Address) ([]Session, error) {
	all := []Session{}
	query := url.Values{"limit": {"1000"}}
	for {
		page := new(Sessions)
		if err := c.get(ctx, "/v1/accounts/"+owner.String()+"/sessions", query, page); err != nil {
			return nil, err
		}
		if all = append(all, page.Sessions...); page.Next == nil {
			return all, nil
		}
		query.Set("after", strconv.FormatUint(*page.Next, 10))
	}
}

// Claims returns all claims of the node with a name or an account, by epoch.
func (c *Client) Claims(ctx context.Context, nameOrAddress string) ([]Claim, error) {
	all := []Claim{}
	query := url.Values{"limit": {"1000"}}
	for {
		page := new(Claims)
		if err := c.get(ctx, "/v1/nodes/"+url.PathEscape(nameOrAddress)+"/claims", query, page); err != nil {
			return nil, err
		}
		if all = append(all, page.Claims...); page.Next == nil {
			return all, nil
		}
		query.Set("after", decimal(*page.Next))
	}
}
