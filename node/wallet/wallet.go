// Package wallet lets an account publish and pay through the API of a node: it implements publish.Chain and fetch.Chain.
package wallet

import (
	"context"
	"errors"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/app/publish"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
)

// Publisher is an account that registers content, and the node that it uses. It implements publish.Chain.
type Publisher struct {
	Node *client.Client
	Key  *ed25519.PrivateKey
}

// Register implements publish.Chain.
func (p Publisher) Register(ctx context.Context, r remora.RegisterContent) error {
	_, err := p.Node.Send(ctx, p.Key, client.Draft{Kind: remora.KindRegisterContent, Body: r}, true)
	var refused *remora.Rejection
	if errors.As(err, &refused) && refused.Code == remora.CodeContentExists {
		return nil
	}
	return err
}

// Caches implements publish.Chain.
func (p Publisher) Caches(ctx context.Context) ([]publish.Cache, error) {
	return p.listServers(ctx, remora.RoleCache)
}

// listServers returns the registered nodes of a role that serve HTTP, with their URLs.
func (p Publisher) listServers(ctx context.Context, role remora.Roles) ([]publish.Cache, error) {
	nodes, err := p.Node.AllNodes(ctx)
	if err != nil {
		return nil, err
	}
	var found []publish.Cache
	for _, n := range nodes {
		if at, serves := transfer.WebAddress(n.Addrs); serves && n.Roles&role != 0 {
			found = append(found, publish.Cache{Address: n.Address, Name: n.Name, URL: "http://" + at.String()})
		}
	}
	return found, nil
}

// GatewayURL returns the URL of a path at the first registered gateway, or the path alone when there is no gateway.
func (p Publisher) GatewayURL(ctx context.Context, path string) (string, error) {
	gateways, err := p.listServers(ctx, remora.RoleGateway)
	if err != nil || len(gateways) == 0 {
		return path, err
	}
	return gateways[0].URL + path, nil
}

// Payer is an account that opens sessions, and the node that it uses. It implements fetch.Chain.
type Payer struct {
	Node *client.Client
	Key  *ed25519.PrivateKey
}

// Quote implements fetch.Chain.
func (p Payer) Quote(ctx context.Context, account remora.Address) (fetch.Quote, error) {
	genesis, err := p.Node.Genesis(ctx)
	if err != nil {
		return fetch.Quote{}, err
	}
	status, err := p.Node.Status(ctx)
	if err != nil {
		return fetch.Quote{}, err
	}
	a, err := p.Node.Account(ctx, account)
	if err != nil {
		return fetch.Quote{}, err
	}
	return fetch.Quote{ChainID: genesis.ChainID, Epoch: status.Epoch, Price: genesis.Params.PricePerMiB, Balance: a.Balance}, nil
}

// Caches implements fetch.Chain.
func (p Payer) Caches(ctx context.Context) ([]transfer.Cache, error) {
	nodes, err := p.Node.AllNodes(ctx)
	if err != nil {
		return nil, err
	}
	var found []transfer.Cache
	for _, n := range nodes {
		if n.Roles&remora.RoleCache != 0 {
			found = append(found, transfer.Cache{Address: n.Address, Name: n.Name, PeerID: n.PeerID, Addrs: n.Addrs})
		}
	}
	return found, nil
}

// Session implements fetch.Chain.
func (p Payer) Session(ctx context.Context, owner remora.Address, number uint64) (*fetch.Opened, error) {
	s, err := p.Node.SessionByNumber(ctx, owner, number)
	if err != nil {
		return nil, err
	}
	opened := &fetch.Opened{Session: s.Session, Grants: map[remora.Address]remora.Grant{}}
	for _, g := range s.Grants {
		opened.Grants[g.Node] = g.Grant
	}
	return opened, nil
}

// Open implements fetch.Chain.
func (p Payer) Open(ctx context.Context, body remora.OpenSession) error {
	_, err := p.Node.Send(ctx, p.Key, client.Draft{Kind: remora.KindOpenSession, Body: body}, true)
	return err
}
