package node

import (
	"context"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/state/tree"
)

// The request protocols by which a node compares its state with others' after one of the newest blocks.
const (
	askTreeNode = "tree-node"
	askChange   = "change"
)

// maxNodeBytes bounds an encoded node of the state tree.
const maxNodeBytes = 128

// nodeRequest asks for a node of the state tree after a block. The answer has one item.
type nodeRequest struct {
	_      struct{} `cbor:",toarray"`
	Height remora.Height
	At     tree.Path
}

// changeRequest asks how a block changed the row at a place of the state tree. The answer's items are the number of the
// table, the row's key, and its value unless it was deleted.
type changeRequest struct {
	_      struct{} `cbor:",toarray"`
	Height remora.Height
	Place  remora.Hash
}

func (s *server) treeNode(_ context.Context, _ string, request []byte) ([]byte, error) {
	var r nodeRequest
	if err := remora.Decode(request, maxRequestBytes, &r); err != nil {
		return nil, err
	}
	past, ok := s.head.Past(r.Height)
	if !ok {
		return nil, fmt.Errorf("%w: the state after block %d", p2p.ErrNotFound, r.Height)
	}
	n, ok := past.Tree.At(r.At)
	if !ok {
		return nil, fmt.Errorf("%w: a node at depth %d of %s", p2p.ErrNotFound, r.At.Depth, r.At.Key)
	}
	return answer([][]byte{remora.Encode(n)}), nil
}

func (s *server) change(_ context.Context, _ string, request []byte) ([]byte, error) {
	var r changeRequest
	if err := remora.Decode(request, maxRequestBytes, &r); err != nil {
		return nil, err
	}
	past, ok := s.head.Past(r.Height)
	if !ok {
		return nil, fmt.Errorf("%w: the state after block %d", p2p.ErrNotFound, r.Height)
	}
	c, ok := changeAt(past.Changes, r.Place)
	if !ok {
		return nil, fmt.Errorf("%w: a change at %s in block %d", p2p.ErrNotFound, r.Place, r.Height)
	}
	parts := [][]byte{{byte(c.Table)}, c.Key}
	if c.Value != nil {
		parts = append(parts, c.Value)
	}
	return answer(parts), nil
}
