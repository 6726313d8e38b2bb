package worker_test

import (
	"testing"

	"github.com/remora-network/remora/mempool/worker"
)

// A peer's quota is a bound, not a mark after which the next batch is refused.
func TestPeerQuotaIsABound(t *testing.T) {
	const quota = 10_000
	c := newCore(t, func(c *worker.Config) { c.PushQuota = quota })
	for seq := range uint64(20) {
		_ = c.Step(worker.PeerBatch{From: 2, Batch: batchOf(2, 5, seq, 1000)}) // refused when the quota is used up
	}
	if _, held := c.Held(); held > quota || held < quota/2 {
		t.Errorf("%d bytes held, the quota is %d", held, quota)
	}
}
