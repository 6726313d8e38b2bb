package consensus_test

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
)

// A committee of four makes five full rounds. The leaders of rounds 2 and 4 are committed as soon as a validity stake of
// the round above supports them.
func Example() {
	dag := NewDAG(Committee(1, 1, 1, 1), 50)
	rule := consensus.NewBullshark(dag.Config(), consensus.Snapshot{})
	everybody := dag.Authors(0)
	for round := range 5 {
		for _, author := range everybody {
			dag.Add(1+remora.Round(round), author, everybody)
		}
	}
	for _, certificate := range dag.Certificates {
		subDAGs, err := rule.Insert(certificate)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, sub := range subDAGs {
			leader := sub.Leader()
			fmt.Printf("leader %d of round %d orders %d headers\n", leader.Author, leader.Round, len(sub.Headers))
		}
	}

	// Output:
	// leader 1 of round 2 orders 5 headers
	// leader 2 of round 4 orders 8 headers
}
