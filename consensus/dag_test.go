package consensus

import (
	"testing"

	"github.com/remora-network/remora"
)

// TestMemory runs many full rounds: the index stays as large as the garbage collection depth, and keeps no ordered
// header alive.
func TestMemory(t *testing.T) {
	const n, depth, rounds = 4, 6, 500
	committee := &remora.Committee{Domain: remora.Domain{1}, Term: 1, Members: make([]remora.Member, n)}
	for i := range committee.Members {
		committee.Members[i].Stake = 1
	}
	b := NewBullshark(Config{Committee: committee, GCDepth: depth}, Snapshot{})
	parents := remora.GenesisParents(committee, remora.Hash{})
	for r := remora.Round(1); r <= rounds; r++ {
		var next []remora.Parent
		for a := range remora.Authority(n) {
			c := &remora.Certificate{Header: remora.Header{Term: 1, Author: a, Round: r, Parents: parents}}
			c.Header.Seal(committee.Domain)
			next = append(next, c.Header.ID())
			if _, err := b.Insert(c); err != nil {
				t.Fatal(err)
			}
		}
		parents = next
		if got := len(b.dag.rounds); got > depth+4 { // genesis, and from the leader's round to the next one's support
			t.Fatalf("round %d: %d rounds are kept, at most %d wanted", r, got, depth+4)
		}
	}
	if b.leader != rounds-2 {
		t.Fatalf("last leader %d, want %d", b.leader, rounds-2)
	}
	waiting := 0
	for _, slots := range b.dag.rounds {
		for _, s := range slots {
			if s.header != nil {
				waiting++
			}
		}
	}
	// The rest of the leader's round and the two rounds above it.
	if want := n - 1 + 2*n; waiting != want {
		t.Errorf("%d headers wait to be ordered, want %d", waiting, want)
	}
}
