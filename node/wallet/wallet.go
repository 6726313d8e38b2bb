// Package wallet lets an account publish and pay through the API of a node: it implements publish.Chain and fetch.Chain.
package wallet

import (
	"context"
	"errors"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
)

// Wallet is an account with the node that it uses.
type Wallet struct {
	Node *client.Client
	Key  *ed25519.PrivateKey
}

// Register implements publish.Chain.
func (w Wallet) Register(ctx context.Context, r remora.RegisterContent) error {
	_, err := w.Node.Send(ctx, w.Key, client.Draft{Kind: remora.KindRegisterContent, Body: r}, true)
	var refused *remora.Rejection
	if errors.As(err, &refused) && refused.Code == remora.CodeContentExists {
		return nil
	}
	return err
}

// Caches implements publish.Chain and fetch.Chain.
func (w Wallet) Caches(ctx context.Context) ([]transfer.Cache, error) {
	return w.listNodes(ctx, remora.RoleCache)
}

// listNodes returns the registered nodes of a role.
func (w Wallet) listNodes(ctx context.Context, role remora.Roles) ([]transfer.Cache, error) {
	nodes, err := w.Node.AllNodes(ctx)
	if err != nil {
		return nil, err
	}
	var found []transfer.Cache
	for _, n := range nodes {
		if n.Roles&role != 0 {
			found = append(found, transfer.Cache{Address: n.Address, Name: n.Name, PeerID: n.PeerID, Addrs: n.Addrs})
		}
	}
	return found, nil
}

// GatewayURL returns the URL of a path at the first registered gateway, or the path alone when there is no gateway.
func (w Wallet) GatewayURL(ctx context.Context, path string) (string, error) {
	gateways, err := w.listNodes(ctx, remora.RoleGateway)
	if err != nil {
		return "", err
	}
	for _, g := range gateways {
		if url := g.URL(); url != "" {
			return url + path, nil
		}
	}
	return path, nil
}

// Quote implements fetch.Chain.
func (w Wallet) Quote(ctx context.Context, account remora.Address) (fetch.Quote, error) {
	genesis, err := w.Node.Genesis(ctx)
	if err != nil {
		return fetch.Quote{}, err
	}
	status, err := w.Node.Status(ctx)
	if err != nil {
		return fetch.Quote{}, err
	}
	a, err := w.Node.Account(ctx, account)
	if err != nil {
		return fetch.Quote{}, err
	}
	return fetch.Quote{
		ChainID: genesis.ChainID, Domain: genesis.Domain(), Epoch: status.Epoch, Price: genesis.Params.PricePerMiB, Balance: a.Balance,
	}, nil
}

// Session implements fetch.Chain.
func (w Wallet) Session(ctx context.Context, owner remora.Address, number uint64) (*fetch.Opened, error) {
	s, err := w.Node.SessionByNumber(ctx, owner, number)
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
func (w Wallet) Open(ctx context.Context, body remora.OpenSession) error {
	_, err := w.Node.Send(ctx, w.Key, client.Draft{Kind: remora.KindOpenSession, Body: body}, true)
	return err
}
