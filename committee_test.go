package remora_test

import (
	"errors"
	"math/rand"
	"slices"
	"testing"

	"github.com/remora-network/remora"
)

func TestNewCommittee(t *testing.T) {
	tests := []struct {
		name   string
		change func([]remora.Member) []remora.Member
		want   error
	}{
		{"as made", func(m []remora.Member) []remora.Member { return m }, nil},
		{"one member", func(m []remora.Member) []remora.Member { return m[:1] }, nil},
		{"nobody", func([]remora.Member) []remora.Member { return nil }, remora.ErrInvalid},
		{"most members", func([]remora.Member) []remora.Member {
			return sampleMembers(slices.Repeat([]remora.Amount{1}, remora.MaxCommittee)...)
		}, nil},
		{"too many members", func([]remora.Member) []remora.Member {
			return sampleMembers(slices.Repeat([]remora.Amount{1}, remora.MaxCommittee+1)...)
		}, remora.ErrInvalid},
		{"no stake", func(m []remora.Member) []remora.Member { m[2].Stake = 0; return m }, remora.ErrInvalid},
		{"too much stake", func(m []remora.Member) []remora.Member { m[2].Stake = 1<<62 - 60; return m }, remora.ErrInvalid},
		{"most stake", func(m []remora.Member) []remora.Member { m[2].Stake = 1<<62 - 71; return m }, nil},
		{"stake that overflows", func(m []remora.Member) []remora.Member { m[2].Stake = 1<<64 - 1; return m }, remora.ErrInvalid},
		{"a consensus key twice", func(m []remora.Member) []remora.Member { m[2].Consensus = m[0].Consensus; return m }, remora.ErrInvalid},
		{"a beacon key twice", func(m []remora.Member) []remora.Member { m[2].Beacon = m[0].Beacon; return m }, remora.ErrInvalid},
		{"one key for two things", func(m []remora.Member) []remora.Member { m[2].Beacon = m[2].Consensus; return m }, remora.ErrInvalid},
		{"a header key twice", func(m []remora.Member) []remora.Member { m[2].Header = m[0].Header; return m }, remora.ErrInvalid},
		{"a peer twice", func(m []remora.Member) []remora.Member { m[2].PeerID = m[0].PeerID; return m }, remora.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := remora.NewCommittee(domain, 1, tt.change(sampleMembers(10, 20, 30, 40)))
			if !errors.Is(err, tt.want) {
				t.Errorf("NewCommittee = %v, want %v", err, tt.want)
			}
		})
	}
}

// TestCommitteeOrder: positions come from the keys, not from the order in which members are listed.
func TestCommitteeOrder(t *testing.T) {
	want := sampleCommittee(t, 10, 20, 30, 40)
	members := sampleMembers(10, 20, 30, 40)
	rng := rand.New(rand.NewSource(1))
	for range 20 {
		rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		before := slices.Clone(members)
		got, err := remora.NewCommittee(domain, 1, members)
		if err != nil || got.Hash() != want.Hash() {
			t.Fatalf("another order makes another committee: %v", err)
		}
		for i := range members {
			if members[i].Name != before[i].Name {
				t.Fatal("NewCommittee reorders the caller's list")
			}
		}
	}
	other := sampleCommittee(t, 10, 20, 30, 41)
	if other.Hash() == want.Hash() {
		t.Error("the hash does not cover stakes")
	}
}

func TestCommitteeLookups(t *testing.T) {
	c := sampleCommittee(t, 10, 20, 30, 40)
	if c.Size() != 4 || c.Total() != 100 || c.Quorum() != 67 || c.Validity() != 34 || c.Stake(2) != 30 {
		t.Errorf("size %d, total %d, quorum %d, validity %d, stake %d", c.Size(), c.Total(), c.Quorum(), c.Validity(), c.Stake(2))
	}
	if got := c.StakeOf(remora.NewBitmap(4, 0, 3)); got != 50 {
		t.Errorf("stake of 0 and 3 is %d", got)
	}
	if !c.Has(3) || c.Has(4) {
		t.Error("a committee of four has members 0 to 3")
	}
	for i, m := range c.Members {
		want := remora.Authority(i)
		if a, ok := c.ByPeer(m.PeerID); a != want || !ok {
			t.Errorf("ByPeer(%s) = %d, %v", m.PeerID, a, ok)
		}
		if a, ok := c.ByConsensusKey(m.Consensus); a != want || !ok {
			t.Errorf("ByConsensusKey of %d = %d, %v", i, a, ok)
		}
	}
	if _, ok := c.ByPeer("nobody"); ok {
		t.Error("ByPeer finds nobody")
	}
	if _, ok := c.ByConsensusKey(remora.BLSPublicKey{9}); ok {
		t.Error("ByConsensusKey finds nobody")
	}
}
