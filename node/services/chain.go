package services

import (
	"context"
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
)

// chain is how the services read the state: each call at the newest block.
type chain struct{ head *head.Head }

// readTables calls f with the newest tables.
func (c chain) readTables(f func(v table.View) error) error {
	view := c.head.Newest()
	return errors.Join(f(view.Tables), view.Release())
}

// Content returns the entry of a root in the index of content.
func (c chain) Content(root remora.Hash, directory bool) (entry remora.ContentEntry, found bool, err error) {
	err = c.readTables(func(v table.View) error {
		entry, found, err = registry.GetContent(v, root, directory)
		return err
	})
	return entry, found, err
}

// AllContent visits the index.
func (c chain) AllContent(visit func(remora.ContentEntry) bool) error {
	return c.readTables(func(v table.View) error { return registry.AllContent(v, visit) })
}

// Caches returns the registered caches.
func (c chain) Caches() (caches []transfer.Cache, err error) {
	err = c.readTables(func(v table.View) error {
		return registry.All(v, func(account remora.Address, n remora.Node) bool {
			if n.Roles&remora.RoleCache != 0 {
				caches = append(caches, transfer.Cache{Address: account, Name: n.Name, PeerID: n.PeerID, Addrs: n.Addrs})
			}
			return true
		})
	})
	return caches, err
}

// WaitBlock returns after the next block.
func (c chain) WaitBlock(ctx context.Context) error {
	height := c.head.Tip().Height
	return c.head.Until(ctx, func() (bool, error) { return c.head.Tip().Height > height, nil })
}

// network reaches caches over the peer-to-peer network of the chain.
type network struct{ host *p2p.Host }

// Ask sends a request to a cache, which the host knows from the registry.
func (n network) Ask(ctx context.Context, cache transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error) {
	answer, err := n.host.Request(ctx, cache.PeerID, protocol, request, maxAnswer)
	if _, answered := errors.AsType[*p2p.RemoteError](err); answered {
		err = fmt.Errorf("%w: %w", gateway.ErrAnswered, err)
	}
	return answer, err
}
