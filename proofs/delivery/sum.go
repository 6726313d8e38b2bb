package delivery

import (
	"fmt"
	"math/bits"

	"github.com/remora-network/remora"
)

// ProveExtent proves the extent that holds the byte with the given offset in the bytes of all extents of a tally, and returns
// the number of bytes before that extent. The result is empty if there is no such byte. Time and memory are linear in the
// number of extents.
func ProveExtent(extents []remora.Extent, offset uint64) (opened remora.OpenedExtent, start uint64) {
	for i, e := range extents {
		if offset-start < e.Bytes {
			level := make([]remora.SumNode, len(extents))
			for j := range extents {
				level[j] = hashExtent(extents[j])
			}
			_, path := proveLeaf(level, uint64(i), hashSumNode)
			return remora.OpenedExtent{Index: uint32(i), Extent: e, Path: path}, start
		}
		start += e.Bytes
	}
	return remora.OpenedExtent{}, 0
}

// verifyExtent checks that an extent is in the sum tree with the given root over count extents of total bytes, and returns the
// number of bytes before it. The path must have exactly the length that the index has in such a tree.
func verifyExtent(root remora.Hash, total uint64, count uint32, o *remora.OpenedExtent) (start uint64, err error) {
	if o.Index >= count {
		return 0, fmt.Errorf("%w: there is no extent %d among %d", remora.ErrInvalid, o.Index, count)
	}
	length, lefts := shapeOfPath(uint64(o.Index), uint64(count))
	if len(o.Path) != length {
		return 0, fmt.Errorf("%w: path of %d nodes, index %d of %d needs %d", remora.ErrInvalid, len(o.Path), o.Index, count, length)
	}
	if err := o.Extent.Check(); err != nil {
		return 0, err
	}
	node := hashExtent(o.Extent)
	for i, sibling := range o.Path {
		if _, carry := bits.Add64(node.Bytes, sibling.Bytes, 0); carry != 0 {
			return 0, fmt.Errorf("%w: the path's sums of bytes overflow", remora.ErrInvalid)
		}
		if lefts>>i&1 == 1 {
			start += sibling.Bytes
			node = hashSumNode(sibling, node)
		} else {
			node = hashSumNode(node, sibling)
		}
	}
	if node.Bytes != total || node.Hash != root {
		return 0, fmt.Errorf("%w: the path leads to root %s over %d bytes, the receipt has %s over %d", remora.ErrInvalid, node.Hash, node.Bytes, root, total)
	}
	return start, nil
}
