package rpc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/node/rpc"
	"github.com/remora-network/remora/state"
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
	machine, err := state.NewMachine(c.Genesis)
	if err != nil {
		b.Fatal(err)
	}
	verifier := exec.NewVerifier()
	server, err := rpc.New(rpc.Config{
		Listen: "127.0.0.1:0", Genesis: c.Genesis, Store: c.Store, Head: c.Head,
		Admit:     func(v state.View, raw []byte) error { return machine.Admit(v, raw, verifier) },
		Submitter: nothing{}, Status: func() rpc.Status { return rpc.Status{} },
		Ready: func() (bool, []string) { return true, nil }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	caller, err := client.New("http://" + server.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		caller.Close()
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
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
