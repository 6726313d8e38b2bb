package rpc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/admission"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/node/rpc"
)

// forgetTxs takes transactions at no cost, and forgets them: they do not wait.
func forgetTxs(_ context.Context, txs [][]byte) ([]door.Answer, error) {
	answers := make([]door.Answer, len(txs))
	for i, tx := range txs {
		if !remora.IsOpaque(tx) {
			answers[i].Refusal = &admission.Refusal{Code: admission.CodeFull, Reason: "forgotten"}
		}
	}
	return answers, nil
}

// BenchmarkSubmit is the way of a transaction from a client over loopback to the batch, which is left out.
func BenchmarkSubmit(b *testing.B) {
	c := replaytest.New(b, "dev-bench")
	caller, _ := serveChain(b, c, forgetTxs, rpc.Config{
		Status: func() rpc.Status { return rpc.Status{} }, Ready: func() (bool, []string) { return true, nil },
	})
	transfers := make([][]byte, 0, 64*len(c.Keys.Accounts))
	for i := range cap(transfers) {
		transfers = append(transfers, c.Transfer(i%len(c.Keys.Accounts), 1, uint64(i/len(c.Keys.Accounts)), 5))
	}
	opaque := slices.Repeat([][]byte{remora.EncodeOpaque(bytes.Repeat([]byte{1}, 512))}, len(transfers))
	for name, txs := range map[string][][]byte{"opaque": opaque, "transfer": transfers} {
		var body []byte
		for _, tx := range txs {
			body = append(binary.BigEndian.AppendUint32(body, uint32(len(tx))), tx...)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				answer, err := caller.SendFramed(b.Context(), body, len(txs))
				if err != nil || len(answer.Rejected) > 0 && answer.Rejected[0].Code != admission.CodeFull {
					b.Fatal(answer, err)
				}
			}
			b.ReportMetric(float64(b.N*len(txs))/b.Elapsed().Seconds(), "tx/s")
		})
	}
}
