package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
)

// chain is how the content services read the state: each call at the newest block.
type chain struct{ head *head.Head }

// read calls f with the newest tables.
func (c chain) read(f func(v table.View) error) error {
	view := c.head.Newest()
	return errors.Join(f(view.Tables), view.Release())
}

// Content implements the services' view of the index.
func (c chain) Content(root remora.Hash, directory bool) (entry remora.ContentEntry, found bool, err error) {
	err = c.read(func(v table.View) error {
		entry, found, err = registry.GetContent(v, root, directory)
		return err
	})
	return entry, found, err
}

// AllContent visits the index.
func (c chain) AllContent(visit func(remora.ContentEntry) bool) error {
	return c.read(func(v table.View) error { return registry.AllContent(v, visit) })
}

// Caches returns the registered caches.
func (c chain) Caches() (caches []transfer.Cache, err error) {
	err = c.read(func(v table.View) error {
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

// httpSuffix ends the multiaddr of a node's API among its addresses.
const httpSuffix = "/http"

// network asks caches over the network of the chain.
type network struct{ host *p2p.Host }

// Ask implements the services' view of the network.
func (n network) Ask(ctx context.Context, cache transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error) {
	var addrs []string
	for _, a := range cache.Addrs {
		if !strings.HasSuffix(a, httpSuffix) {
			addrs = append(addrs, a)
		}
	}
	if err := n.host.Introduce(p2p.Peer{ID: cache.PeerID, Addrs: addrs}); err != nil {
		return nil, err
	}
	answer, err := n.host.Request(ctx, cache.PeerID, protocol, request, maxAnswer)
	if _, answered := errors.AsType[*p2p.RemoteError](err); answered {
		err = fmt.Errorf("%w: %w", gateway.ErrAnswered, err)
	}
	return answer, err
}

// send signs a transaction with the node's account, submits it and waits until it is executed here.
func (n *Node) send(ctx context.Context, kind remora.Kind, body any) error {
	key := n.config.Keys.Account
	var account ledger.Account
	err := chain{n.head}.read(func(v table.View) (err error) {
		account, _, err = ledger.Get(v, key.Public())
		return err
	})
	if err != nil {
		return err
	}
	raw := client.Sign(key, n.config.Genesis, client.Draft{Kind: kind, Body: body}, account.Nonce())
	if _, err := n.Submit(ctx, [][]byte{raw}); err != nil {
		return err
	}
	hash := remora.TxHash(raw)
	return n.head.Until(ctx, func() (bool, error) {
		place, err := n.store.Tx(hash)
		if errors.Is(err, remora.ErrNotFound) {
			return false, nil
		}
		if err != nil || place.Height > n.head.Tip().Height {
			return false, err
		}
		block, err := n.store.Block(place.Height)
		if err != nil {
			return false, err
		}
		if code := remora.Code(block.Results[place.Position]); code != remora.CodeOK {
			return false, remora.Reject(code, "block %d refused a %s of this node", place.Height, kind)
		}
		return true, nil
	})
}

// register sees to it that the registry has this node as it is now, and returns when it has.
func (n *Node) register(ctx context.Context) error {
	want := n.config.Record
	for ctx.Err() == nil {
		var have remora.Node
		err := chain{n.head}.read(func(v table.View) (err error) {
			have, _, err = registry.Get(v, n.config.Keys.Account.Public())
			return err
		})
		if err != nil {
			return err
		}
		if string(remora.Encode(have)) == string(remora.Encode(want)) {
			n.counts.listed.Store(true)
			return nil
		}
		err = n.outbox.Send(ctx, remora.KindRegisterNode, want)
		if err != nil && ctx.Err() == nil {
			n.config.Logger.Warn(fmt.Sprintf("could not register this node as %q yet: %v", want.Name, err))
			if pause(ctx, time.Second) != nil {
				return nil //nolint:nilerr // only the context ends it
			}
		}
	}
	return nil
}
