package replay_test

import (
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/replay"
	"github.com/remora-network/remora/node/replay/replaytest"
)

// BenchmarkAudit tells what a block costs an auditor. The blocks hold 500 opaque transactions of 512 bytes each.
func BenchmarkAudit(b *testing.B) {
	const blocks, txs = 64, 500
	c := replaytest.New(b, "dev-bench")
	m := new(memory)
	for i := range blocks {
		payload := make([]byte, 512)
		batch := make([][]byte, txs)
		for j := range batch {
			payload[0], payload[1] = byte(i), byte(j)
			batch[j] = remora.EncodeOpaque(payload)
		}
		h := c.Block(batch...).Header.Height
		c.Certify(h)
		cb, err := c.Store.CertifiedBlock(h)
		if err != nil {
			b.Fatal(err)
		}
		m.blocks = append(m.blocks, cb)
	}
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if _, err := replay.Verify(b.Context(), c.Genesis, m, 0); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N*blocks)/b.Elapsed().Seconds(), "blocks/s")
	})
	b.Run("replay", func(b *testing.B) {
		for b.Loop() {
			if _, err := replay.Replay(b.Context(), c.Genesis, m, 0); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N*blocks)/b.Elapsed().Seconds(), "blocks/s")
		b.ReportMetric(float64(b.N*blocks*txs)/b.Elapsed().Seconds(), "tx/s")
	})
}
