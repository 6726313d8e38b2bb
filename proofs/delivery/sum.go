package delivery

import (
	"fmt"
	"math/bits"

	"github.com/remora-network/remora"
)

// ProveExtent proves the extent that holds the byte with the given offset in the bytes of all extents, and returns how
// many bytes stand before it. The extents are those of a tally. Where they hold no such byte the result is empty.
// Time and memory are linear in the number of extents.
func ProveExtent(extents []remora.Extent, offset uint64) (opened remora.OpenedExtent, start uint64) {
	for i, e := range extents {
		if offset-start < e.Bytes {
			level := make([]remora.SumNode, len(extents))
			for j := range extents {
				level[j] = leafOf(extents[j])
			}
			_, path := prove(level, uint64(i), joinSums)
			return remora.OpenedExtent{Index: uint32(i), Extent: e, Path: path}, start
		}
		start += e.Bytes
	}
	return remora.OpenedExtent{}, 0
}

// verifyExtent checks that an extent stands in the sum tree with the given root over count extents of total bytes, and
// returns how many bytes stand before it. The path must have exactly the length that the index has in such a tree.
func verifyExtent(root remora.Hash, total uint64, count uint32, o *remora.OpenedExtent) (start uint64, err error) {
	if o.Index >= count {
		return 0, fmt.Errorf("%w: index %d of %d", remora.ErrInvalid, o.Index, count)
	}
	length, lefts := way(uint64(o.Index), uint64(count))
	if len(o.Path) != length {
		return 0, fmt.Errorf("%w: path of %d nodes, index %d of %d needs %d", remora.ErrInvalid, len(o.Path), o.Index, count, length)
	}
	if err := o.Extent.Check(); err != nil {
		return 0, err
	}
	node := leafOf(o.Extent)
	for i, sibling := range o.Path {
		if _, carry := bits.Add64(node.Bytes, sibling.Bytes, 0); carry != 0 {
			return 0, fmt.Errorf("%w: sums of bytes that overflow", remora.ErrInvalid)
		}
		if lefts>>i&1 == 1 {
			start += sibling.Bytes
			node = joinSums(sibling, node)
		} else {
			node = joinSums(node, sibling)
		}
	}
	if node.Bytes != total || node.Hash != root {
		return 0, fmt.Errorf("%w: path to root %s over %d bytes, the receipt has %s over %d", remora.ErrInvalid, node.Hash, node.Bytes, root, total)
	}
	return start, nil
}
