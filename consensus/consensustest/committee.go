// Package consensustest helps to test commit rules: DAGs drawn as text or at random, a naive reference of Bullshark,
// the properties that every commit rule must have, and rules with deliberate flaws that these properties must catch.
package consensustest

import (
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// ChainID is the chain of all DAGs here.
const ChainID = "dev-consensus"

// Origin returns the base of the term of all DAGs here.
func Origin() remora.Hash { return remora.SumBLAKE3([]byte("origin")) }

// Committee returns members with the given stakes, in that order, and made-up keys.
func Committee(stakes ...remora.Amount) *remora.Committee {
	c := mempooltest.NewWeightedCommittee(stakes...)
	c.ChainID = ChainID
	return c
}

// Equal returns the stakes of n members with one unit each.
func Equal(n int) []remora.Amount { return slices.Repeat([]remora.Amount{1}, n) }
