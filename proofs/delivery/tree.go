package delivery

// Both trees have the shape of RFC 6962: the left part is the largest power of two that leaves something to the right.
// Level by level that is to join neighbours, and to carry a last one without a neighbour up as it is.

// prove returns the root over the nodes of a level, which it overwrites, and what stands beside the way to it from the
// node with the given index, that node's own neighbour first.
func prove[T any](level []T, index uint64, join func(left, right T) T) (root T, path []T) {
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

// way returns how many nodes stand beside the way to the root from the leaf with the given index, which is below count.
// Those on the left of it have their bit set in lefts, the leaf's own neighbour the lowest one.
func way(index, count uint64) (length int, lefts uint64) {
	for ; count > 1; index, count = index>>1, (count+1)>>1 {
		if index^1 < count {
			lefts |= (index & 1) << length
			length++
		}
	}
	return length, lefts
}
