package state

import (
	"cmp"
	"slices"

	"github.com/remora-network/remora"
)

// blockMedian returns the time at which the committee's clocks see the block that executes sub: the stake-weighted median of
// CreatedAt over the leader's parents. These hold a quorum of stake, so that the median lies between two clocks of honest
// members.
func blockMedian(c *remora.Committee, sub *remora.SubDAG) remora.Millis {
	return medianTime(c, leaderParents(sub))
}

// leaderParents returns the headers that the sub-DAG's leader names as parents. The sub-DAG holds all of them, since their
// round is above every earlier leader's. A leader without parents counts as its own.
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

// medianTime returns the lowest CreatedAt such that headers of half the stake are not later. headers is not empty.
func medianTime(c *remora.Committee, headers []*remora.Header) remora.Millis {
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
