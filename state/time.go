package state

import (
	"cmp"
	"math"
	"slices"

	"github.com/remora-network/remora"
)

// blockTime returns the time of the block that executes sub: later than its parent's, else the stake-weighted median
// of CreatedAt over the leader's parents. These hold a quorum of stake, so that the median lies between two clocks of
// honest members.
func blockTime(c *remora.Committee, parent remora.Millis, sub *remora.SubDAG) remora.Millis {
	earliest := parent
	if earliest < math.MaxUint64 {
		earliest++
	}
	return max(earliest, median(c, leaderParents(sub)))
}

// leaderParents returns the headers of the sub-DAG that its leader names as parents. All of them are in it, for they
// are of a round above every earlier leader's. A leader without any counts as its own parent.
func leaderParents(sub *remora.SubDAG) []*remora.Header {
	leader := sub.Leader()
	digests := make(map[remora.Hash]bool, len(leader.Parents))
	for _, p := range leader.Parents {
		digests[p.Digest] = true
	}
	var parents []*remora.Header
	for _, h := range sub.Headers {
		if digests[h.Digest()] {
			parents = append(parents, h)
		}
	}
	if len(parents) == 0 {
		return []*remora.Header{leader}
	}
	return parents
}

// median returns the lowest CreatedAt such that headers of half of the stake are not later. There is a header.
func median(c *remora.Committee, headers []*remora.Header) remora.Millis {
	sorted := slices.Clone(headers)
	slices.SortFunc(sorted, func(a, b *remora.Header) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
	var total, sum remora.Amount
	for _, h := range sorted {
		total += c.Stake(h.Author)
	}
	i := -1
	for sum < total-sum { // at first, for stakes are positive
		i++
		sum += c.Stake(sorted[i].Author)
	}
	return sorted[i].CreatedAt
}
