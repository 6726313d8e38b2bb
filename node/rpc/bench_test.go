package rpc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/node/rpc"
)

// nothing takes transactions at no cost.
type nothing struct{}

// Submit implements rpc.Submitter.
func (nothing) Submit(_ context.Context, txs [][]byte) ([]remora.Hash, error) {
	return make([]remora.Hash, len(txs)), nil
}

// BenchmarkSubmit is the way of a transaction from a client over loopback to the batch, which is left out.
func BenchmarkSubmit(b *testing.B) {
	c := replaytest.New(b, "dev-bench")
	caller := serveChain(b, c, rpc.Config{
		Submitter: nothing{}, Status: func() rpc.Status { return rpc.Status{} }, Ready: func() (bool, []string) { return true, nil },
	})
	for name, tx := range map[string][]byte{"opaque": remora.EncodeOpaque(bytes.Repeat([]byte{1}, 512)), "transfer": c.Transfer(0, 1, 0, 5)} {
		const count = 250
		body := bytes.Repeat(append(binary.BigEndian.AppendUint32(nil, uint32(len(tx))), tx...), count)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				answer, err := caller.SendFramed(b.Context(), body, count)
				if err != nil || len(answer.Rejected) > 0 {
					b.Fatal(answer, err)
				}
			}
			b.ReportMetric(float64(b.N*count)/b.Elapsed().Seconds(), "tx/s")
		})
	}
}
