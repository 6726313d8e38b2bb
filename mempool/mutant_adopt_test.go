package mempool_test

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// A batch that is in line for adoption and is ordered before its header is made stays out of that header.
func TestOrderedBatchLeavesTheLine(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		r := newRig(t)
		r.hold(batch(3, 1), 1)
		r.ticks(200) // in line now, for a header that needs a quorum of round 1
		if ordered {
			h := mempooltest.NewHeader(r.Committee, 3, 1, r.Parents(0), batch(3, 1))
			r.must(mempool.Ordered{SubDAGs: []remora.SubDAG{{Headers: []*remora.Header{h}}}})
		}
		r.voteAll()
		r.deliver(1)
		r.waitFor(10)
		if got := len(r.mine.Payload); r.mine.Round != 2 || (got == 0) != ordered {
			t.Errorf("ordered %t: round %d carries %d batches", ordered, r.mine.Round, got)
		}
	}
}
