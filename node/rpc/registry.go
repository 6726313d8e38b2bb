package rpc

import (
	"bytes"
	"cmp"
	"context"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/table"
)

func (s *Server) listNodes(_ context.Context, q client.NodeListQuery) (*client.Nodes, error) {
	view := s.Head.Newest()
	defer view.Release()
	p := newPage[remora.Address, client.Node](q.Page, func(a, b remora.Address) int { return bytes.Compare(a[:], b[:]) })
	err := registry.All(view.Tables, func(address remora.Address, node remora.Node) bool {
		return p.addRow(address, func() (client.Node, error) { return nodeDocument(view.Tables, address, node) })
	})
	return &client.Nodes{Nodes: p.documents, Next: p.next}, cmp.Or(err, p.err)
}

func (s *Server) readNode(_ context.Context, q client.NodeQuery) (*client.Node, error) {
	named := q.Name != nil && *q.Name != ""
	if named == (q.Address != nil) {
		return nil, badRequest("params: want name or address")
	}
	view := s.Head.Newest()
	defer view.Release()
	var address remora.Address
	var err error
	if !named {
		address = *q.Address
	} else if address, err = accountOf(view.Tables, *q.Name); err != nil {
		return nil, err
	}
	node, known, err := registry.Get(view.Tables, address)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, notFound("account %s has registered no node", address)
	}
	doc, err := nodeDocument(view.Tables, address, node)
	return &doc, err
}

// accountOf returns the account of the node with a name. An address stands for itself.
func accountOf(v table.View, nameOrAddress string) (remora.Address, error) {
	address, err := remora.ParseAddress(nameOrAddress)
	if err == nil {
		return address, nil
	}
	address, known, err := registry.ByName(v, nameOrAddress)
	if err == nil && !known {
		err = notFound("no node is registered as %.80q", nameOrAddress)
	}
	return address, err
}

func nodeDocument(v table.View, address remora.Address, node remora.Node) (client.Node, error) {
	stake, err := ledger.Stake(v, address)
	return client.Node{Address: address, Stake: stake, Node: node}, err
}
