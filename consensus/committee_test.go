// The test files of this folder without a Test function are tools for every commit rule: DAGs drawn as text or at random,
// a naive reference of Bullshark, the properties that a rule must have, and rules with deliberate flaws that they catch.

package consensus_test

import (
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// Domain is that of all DAGs here.
var Domain = remora.NewDomain("dev-consensus", remora.Hash{}, 0)

// Origin returns the base of the term of all DAGs here.
func Origin() remora.Hash { return remora.SumBLAKE3([]byte("origin")) }

// Committee returns members with the given stakes, in that order, and made-up keys.
func Committee(stakes ...remora.Amount) *remora.Committee {
	c := mempooltest.NewWeightedCommittee(stakes...)
	c.Domain = Domain
	return c
}

// Equal returns the stakes of n members with one unit each.
func Equal(n int) []remora.Amount { return slices.Repeat([]remora.Amount{1}, n) }
