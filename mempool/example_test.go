package mempool_test

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// An authority of four proposes the header of round 1 and makes its certificate from the votes of two others.
func Example() {
	committee := mempooltest.NewCommittee(4)
	core, err := mempool.New(mempool.Config{
		Committee: committee,
		Self:      0,
		Origin:    mempooltest.Origin,
		GCDepth:   10,
		Leader:    mempooltest.Leader(committee),
		Signer:    mempooltest.Signer{Committee: committee, Self: 0},
	}, mempool.Snapshot{})
	if err != nil {
		fmt.Println(err)
		return
	}

	core.Tick(1_700_000_000_000)
	ready, _ := core.Ready()
	header := ready.Send[0].Header // after ready.Persist is durable
	fmt.Printf("header of round %d on %d parents, sync: %v\n", header.Round, len(header.Parents), ready.Sync)
	core.Advance(ready)

	for _, voter := range []remora.Authority{1, 2} {
		if err := core.Step(mempool.VoteReceived{Vote: mempooltest.NewVote(committee, voter, header)}); err != nil {
			fmt.Println(err)
		}
	}
	ready, _ = core.Ready()
	certificate := ready.Send[0].Certificate
	fmt.Printf("certificate by %d of %d\n", certificate.Signers.Count(), committee.Size())
	fmt.Printf("delivered to consensus: %v\n", ready.Delivered[0] == certificate)
	core.Advance(ready)

	// Output:
	// header of round 1 on 4 parents, sync: true
	// certificate by 3 of 4
	// delivered to consensus: true
}
