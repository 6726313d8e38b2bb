package delivery

// Both trees have the shape of RFC 6962: the left part has the largest power of two of leaves that leaves one to the right.
// Built level by level, neighbours are joined and a last node without a neighbour moves up unchanged.

// proveLeaf returns the root over the nodes of a level, which it overwrites, and the siblings on the path to it from the node
// with the given index, that node's own neighbour first.
func proveLeaf[T any](level []T, index uint64, join func(left, right T) T) (root T, path []T) {
	for ; len(level) > 1; index >>= 1 {
		if n := uint64(len(level)); index^1 < n {
			path = append(path, level[index^1])
		}
		half := len(level) / 2
		for i := range half {
			level[i] = join(level[2*i], level[2*i+1])
		}
		if len(level)%2 == 1 {
			level[half] = level[2*half]
			half++
		}
		level = level[:half]
	}
	return level[0], path
}

// shapeOfPath returns the number of siblings on the path to the root from the leaf with the given index, which is below count.
// Bit i of lefts is set if sibling i is on the left; the leaf's own neighbour is sibling 0.
func shapeOfPath(index, count uint64) (length int, lefts uint64) {
	for ; count > 1; index, count = index>>1, (count+1)>>1 {
		if index^1 < count {
			lefts |= (index & 1) << length
			length++
		}
	}
	return length, lefts
}
