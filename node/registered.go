package node

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
)

// directory tells the network host who is registered, from the newest state. It reads the whole registry once, and again
// where it cannot tell what blocks changed; otherwise it reads the rows that changed.
type directory struct {
	head       *head.Head
	register   func(owner string, p p2p.Peer) error
	unregister func(owner string)
	log        *slog.Logger

	height remora.Height           // of the state that the host knows
	owners map[remora.Address]bool // whose nodes the host knows; nil before the first reading
}

// follow keeps the host's registered nodes those of the newest state, until the context ends.
func (d *directory) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		changed := d.head.Changed()
		if err := d.update(); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil
}

// update tells the host what changed since it was called last.
func (d *directory) update() error {
	view := d.head.Newest()
	accounts, known := d.findChanged(view.Tip.Height)
	var err error
	if known {
		err = d.readRows(view.Tables, accounts)
	} else {
		err = d.readRegistry(view.Tables)
	}
	d.height = view.Tip.Height
	return errors.Join(err, view.Release())
}

// findChanged returns the accounts whose nodes changed up to a height, and whether that is known.
func (d *directory) findChanged(height remora.Height) (accounts []remora.Address, known bool) {
	if d.owners == nil {
		return nil, false
	}
	for h := d.height + 1; h <= height; h++ {
		past, kept := d.head.Past(h)
		if !kept || past.Changes == nil {
			return nil, false
		}
		for _, c := range past.Changes {
			if c.Table == table.Nodes {
				accounts = append(accounts, remora.Address(c.Key))
			}
		}
	}
	return accounts, true
}

func (d *directory) readRows(v table.View, accounts []remora.Address) error {
	for _, account := range accounts {
		node, exists, err := registry.Get(v, account)
		if err != nil {
			return err
		}
		if exists {
			d.tellNode(account, &node)
		} else {
			d.dropNode(account)
		}
	}
	return nil
}

func (d *directory) readRegistry(v table.View) error {
	if d.owners == nil {
		d.owners = make(map[remora.Address]bool)
	}
	named := make(map[remora.Address]bool)
	err := registry.All(v, func(account remora.Address, node remora.Node) bool {
		named[account] = true
		d.tellNode(account, &node)
		return true
	})
	if err != nil {
		return err
	}
	for account := range d.owners {
		if !named[account] {
			d.dropNode(account)
		}
	}
	return nil
}

func (d *directory) tellNode(account remora.Address, node *remora.Node) {
	d.owners[account] = true
	if err := d.register(string(account[:]), p2p.Peer{ID: node.PeerID, Addrs: peerAddrs(node)}); err != nil {
		d.log.Debug("the registry names a node that no peer can be", slog.String("node", node.Name), slog.Any("reason", err))
	}
}

func (d *directory) dropNode(account remora.Address) {
	delete(d.owners, account)
	d.unregister(string(account[:]))
}

// httpSuffix ends the multiaddr of a node's API among its addresses.
const httpSuffix = "/http"

// peerAddrs returns the addresses of a node at which peers reach it.
func peerAddrs(node *remora.Node) []string {
	return slices.DeleteFunc(slices.Clone(node.Addrs), func(a string) bool { return strings.HasSuffix(a, httpSuffix) })
}
