package consensus_test

import (
	"math/rand"
	"slices"

	"github.com/remora-network/remora"
)

// shape sets how a random DAG is torn. Chances are in percent.
type shape struct {
	absent int // an authority makes no vertex in a round
	torn   int // a vertex leaves out a parent beyond the quorum
	shy    int // a vertex leaves out the leader
	hide   int // a round hides a new set of authorities: others do not link them for some rounds
}

// Random returns a DAG of 4, 7 or 10 authorities, mostly 4, and up to 30 rounds: see RandomOf.
func Random(rng *rand.Rand) *DAG {
	return RandomOf(rng, []int{4, 4, 4, 4, 4, 4, 7, 7, 10}[rng.Intn(9)], 30)
}

// RandomOf returns a DAG of n authorities with equal or random stakes, 3 to the given number of rounds, a small or large
// GC depth, and the effects of asynchrony: absent vertices, unlinked leaders, authorities whose vertices are linked much
// later. All its certificates are valid.
func RandomOf(rng *rand.Rand, n, rounds int) *DAG {
	stakes := Equal(n)
	if rng.Intn(3) == 0 {
		for i := range stakes {
			stakes[i] = remora.Amount(1 + rng.Intn(10))
		}
	}
	d := NewDAG(Committee(stakes...), []remora.Round{4, 5, 8, 50}[rng.Intn(4)])
	s := shape{absent: 10 * rng.Intn(4), torn: 20 * rng.Intn(4), shy: 30 * rng.Intn(4), hide: 15 * rng.Intn(3)}
	hidden := make(map[remora.Authority]remora.Round) // last hidden round
	for r := range remora.Round(3 + rng.Intn(rounds-2)) {
		d.growRound(rng, s, r+1, hidden)
	}
	return d
}

// Straggler returns a DAG of n authorities in which all others first link the certificates of authority 0 in the round of
// one leader. The oldest of these is offset rounds above the highest round that this leader does not order.
func Straggler(rng *rand.Rand, n, offset int) *DAG {
	d := NewDAG(Committee(Equal(n)...), remora.Round(4+rng.Intn(3)))
	everybody := d.Authors(0)
	linked := d.GCDepth + 2*remora.Round(1+rng.Intn(3))
	linked += linked % 2 // leaders are in even rounds
	for author, _ := d.LeaderOf(linked); author == 0; author, _ = d.LeaderOf(linked) {
		linked += 2
	}
	oldest := linked - d.GCDepth + remora.Round(offset)
	for r := remora.Round(1); r <= linked+5; r++ {
		for _, a := range everybody {
			if a == 0 && r < oldest {
				continue
			}
			parents := d.Authors(r - 1)
			if a != 0 && r < linked {
				parents = slices.DeleteFunc(parents, func(p remora.Authority) bool { return p == 0 })
			}
			if r != linked {
				parents = d.thinOut(rng, parents, func(p remora.Authority) bool { return p != 0 && rng.Intn(100) < 20 })
			}
			d.Add(r, a, parents)
		}
	}
	return d
}

func (d *DAG) growRound(rng *rand.Rand, s shape, r remora.Round, hidden map[remora.Authority]remora.Round) {
	everybody := d.Authors(0)
	if r > 1 && rng.Intn(100) < s.hide {
		keep := d.thinOut(rng, everybody, func(remora.Authority) bool { return rng.Intn(100) < 50 })
		for _, a := range everybody {
			if !slices.Contains(keep, a) {
				hidden[a] = r + remora.Round(rng.Intn(6))
			}
		}
	}
	before := d.Authors(r - 1)
	leader, _ := d.LeaderOf(r - 1)
	for _, a := range d.thinOut(rng, everybody, func(remora.Authority) bool { return rng.Intn(100) < s.absent }) {
		parents := d.thinOut(rng, before, func(p remora.Authority) bool {
			chance := s.torn
			if p == leader {
				chance = max(chance, s.shy)
			}
			return p != a && hidden[p] >= r || rng.Intn(100) < chance
		})
		d.Add(r, a, parents)
	}
}

// thinOut removes the authorities that drop selects, as long as a quorum remains.
func (d *DAG) thinOut(rng *rand.Rand, from []remora.Authority, drop func(remora.Authority) bool) []remora.Authority {
	var stake remora.Amount
	for _, a := range from {
		stake += d.Committee.Stake(a)
	}
	keep := make([]remora.Authority, 0, len(from))
	for _, i := range rng.Perm(len(from)) {
		a := from[i]
		if rest := stake - d.Committee.Stake(a); rest >= d.Committee.Quorum() && drop(a) {
			stake = rest
			continue
		}
		keep = append(keep, a)
	}
	slices.Sort(keep)
	return keep
}
