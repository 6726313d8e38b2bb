// Package consensustest helps to test commit rules: DAGs drawn as text or at random, a naive reference of Bullshark,
// the properties that every commit rule must have, and rules with deliberate flaws that these properties must catch.
package consensustest

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/remora-network/remora"
)

// ChainID is the chain of all DAGs here.
const ChainID = "dev-consensus"

// Origin returns the base of the term of all DAGs here.
func Origin() remora.Hash { return remora.SumBLAKE3([]byte("origin")) }

// Committee returns members with the given stakes, in that order, and made-up keys.
func Committee(stakes ...remora.Amount) *remora.Committee {
	members := make([]remora.Member, len(stakes))
	for i, stake := range stakes {
		m := remora.Member{Name: fmt.Sprintf("v%d", i), Stake: stake, PeerID: fmt.Sprintf("peer%d", i)}
		for part, key := range [][]byte{m.Consensus[:], m.Beacon[:], m.Header[:]} {
			key[0] = byte(part)
			binary.BigEndian.PutUint16(key[1:], uint16(i))
		}
		members[i] = m
	}
	c, err := remora.NewCommittee(ChainID, 1, members)
	if err != nil {
		panic(err)
	}
	return c
}

// Equal returns the stakes of n members with one unit each.
func Equal(n int) []remora.Amount { return slices.Repeat([]remora.Amount{1}, n) }
