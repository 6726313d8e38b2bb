// Package mempooltest builds committees, DAGs and signatures for tests and simulations: deterministic, and cheap
// enough for hundreds of authorities.
package mempooltest

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/remora-network/remora"
)

// Domain is that of the committees that this package makes.
var Domain = remora.NewDomain("dev-test", remora.Hash{}, 0)

// Origin is the base of their first round.
var Origin = remora.SumBLAKE3([]byte("mempooltest origin"))

// NewCommittee returns a committee of n members of stake 1.
func NewCommittee(n int) *remora.Committee {
	return NewWeightedCommittee(slices.Repeat([]remora.Amount{1}, n)...)
}

// NewWeightedCommittee returns a committee whose authority i has stakes[i]. Its keys are numbers, not curve points. It
// panics on invalid stakes.
func NewWeightedCommittee(stakes ...remora.Amount) *remora.Committee {
	members := make([]remora.Member, len(stakes))
	for i, stake := range stakes {
		m := remora.Member{Name: fmt.Sprintf("v%d", i), Stake: stake, PeerID: fmt.Sprintf("peer%d", i)}
		m.Consensus[0], m.Beacon[0], m.Header[0] = 1, 2, 3
		binary.BigEndian.PutUint32(m.Consensus[4:], uint32(i))
		binary.BigEndian.PutUint32(m.Beacon[4:], uint32(i))
		binary.BigEndian.PutUint32(m.Header[4:], uint32(i))
		members[i] = m
	}
	c, err := remora.NewCommittee(Domain, 1, members)
	if err != nil {
		panic("mempooltest: " + err.Error())
	}
	return c
}

// Leader rotates over the even rounds from 2 on, as Bullshark's schedule does.
func Leader(c *remora.Committee) func(remora.Round) (remora.Authority, bool) {
	return func(r remora.Round) (remora.Authority, bool) {
		return remora.Authority((uint64(r)/2 - 1) % uint64(c.Size())), r >= 2 && r%2 == 0
	}
}

// FixedLeader makes one authority the leader of all even rounds from 2 on.
func FixedLeader(a remora.Authority) func(remora.Round) (remora.Authority, bool) {
	return func(r remora.Round) (remora.Authority, bool) { return a, r >= 2 && r%2 == 0 }
}
