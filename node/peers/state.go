package peers

import (
	"context"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/tree"
)

// serveTreeNode answers with a node of the state tree.
func (s *Server) serveTreeNode(_ context.Context, _ string, request []byte) ([]byte, error) {
	var r NodeRequest
	if err := remora.Decode(request, maxRequestBytes, &r); err != nil {
		return nil, err
	}
	past, ok := s.Head.Past(r.Height)
	if !ok {
		return nil, fmt.Errorf("%w: the state after block %d", p2p.ErrNotFound, r.Height)
	}
	n, ok := past.Tree.At(r.At)
	if !ok {
		return nil, fmt.Errorf("%w: a node at depth %d of %s", p2p.ErrNotFound, r.At.Depth, r.At.Key)
	}
	return encodeItems([][]byte{remora.Encode(n)}), nil
}

// serveChange answers with the change of one row.
func (s *Server) serveChange(_ context.Context, _ string, request []byte) ([]byte, error) {
	var r ChangeRequest
	if err := remora.Decode(request, maxRequestBytes, &r); err != nil {
		return nil, err
	}
	past, ok := s.Head.Past(r.Height)
	if !ok {
		return nil, fmt.Errorf("%w: the state after block %d", p2p.ErrNotFound, r.Height)
	}
	c, ok := FindChange(past.Changes, r.Place)
	if !ok {
		return nil, fmt.Errorf("%w: a change at %s in block %d", p2p.ErrNotFound, r.Place, r.Height)
	}
	parts := [][]byte{{byte(c.Table)}, c.Key}
	if c.Value != nil {
		parts = append(parts, c.Value)
	}
	return encodeItems(parts), nil
}

// AskTreeNode asks a peer for a node of its state tree. The caller checks it against the hash above.
func (c *Client) AskTreeNode(ctx context.Context, peer remora.Authority, height remora.Height, at tree.Path) (tree.Node, error) {
	var n tree.Node
	items, err := c.Ask(ctx, peer, ProtocolTreeNode, NodeRequest{Height: height, At: at})
	if err != nil {
		return n, err
	}
	if len(items) != 1 {
		return n, fmt.Errorf("%w: %d nodes in an answer", remora.ErrInvalid, len(items))
	}
	return n, remora.Decode(items[0], maxNodeBytes, &n)
}

// AskChange asks a peer how its block changed the row at a place, and checks the answer against the two trees' difference.
func (c *Client) AskChange(ctx context.Context, peer remora.Authority, height remora.Height, at tree.Difference) (table.Change, error) {
	items, err := c.Ask(ctx, peer, ProtocolChange, ChangeRequest{Height: height, Place: at.Key})
	if err != nil {
		return table.Change{}, err
	}
	if len(items) < 2 || len(items) > 3 || len(items[0]) != 1 {
		return table.Change{}, fmt.Errorf("%w: a change of %d parts", remora.ErrInvalid, len(items))
	}
	change, hash := table.Change{Table: table.ID(items[0][0]), Key: items[1]}, remora.Hash{}
	if len(items) == 3 {
		change.Value, hash = items[2], tree.ValueHash(items[2])
	}
	if tree.KeyHash(byte(change.Table), change.Key) != at.Key || hash != at.Theirs {
		return table.Change{}, fmt.Errorf("%w: a change of another row or to another value", remora.ErrInvalid)
	}
	return change, nil
}

// FindChange finds the change of the row at a place of the state tree.
func FindChange(changes []table.Change, place remora.Hash) (table.Change, bool) {
	for _, c := range changes {
		if tree.KeyHash(byte(c.Table), c.Key) == place {
			return c, true
		}
	}
	return table.Change{}, false
}
