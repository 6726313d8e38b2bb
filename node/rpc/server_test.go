package rpc_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/node/rpc"
	"github.com/remora-network/remora/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a served chain whose blocks the test makes. Submit puts every transaction of a call into one batch.
type fixture struct {
	*replaytest.Chain
	Client *client.Client
	URL    string

	mu      sync.Mutex
	room    int // how many transactions fit; negative: any number
	ready   bool
	reasons []string
	panics  bool
	blocks  bool   // Submit executes what it gets
	rival   []byte // and before that, once, this transaction
}

func serve(t *testing.T, chainID string) *fixture {
	t.Helper()
	f := &fixture{Chain: replaytest.New(t, chainID), room: -1, ready: true}
	f.Client = serveChain(t, f.Chain, rpc.Config{Submitter: f, Status: f.status, Ready: f.readiness})
	f.URL = f.Client.URL()
	return f
}

// serveChain serves a chain until the test ends, with what the config says beyond it. It returns a client.
func serveChain(tb testing.TB, chain *replaytest.Chain, c rpc.Config) *client.Client {
	tb.Helper()
	machine, err := state.NewMachine(chain.Genesis)
	if err != nil {
		tb.Fatal(err)
	}
	verifier := exec.NewVerifier()
	c.Listen, c.Genesis, c.Store, c.Head, c.Logger = "127.0.0.1:0", chain.Genesis, chain.Store, chain.Head, slog.New(slog.DiscardHandler)
	c.Admit = func(v state.View, raw []byte) error { return machine.Admit(v, raw, verifier) }
	server, err := rpc.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	caller, err := client.New("http://" + server.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		caller.Close()
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("Run: %v", err)
		}
	})
	return caller
}

func (f *fixture) status() rpc.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panics {
		panic("status is broken")
	}
	return rpc.Status{Name: "validator-0", Roles: remora.RoleValidator, Version: "test", Round: 9, Peers: 3, Synced: true}
}

func (f *fixture) readiness() (bool, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready, f.reasons
}

func (f *fixture) with(change func(*fixture)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

var errDisk = errors.New("disk is gone")

// Submit implements rpc.Submitter.
func (f *fixture) Submit(_ context.Context, txs [][]byte) ([]remora.Hash, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var full error
	switch {
	case f.room == 0:
		return nil, rpc.ErrBusy
	case f.room > 0 && len(txs) > f.room:
		txs, full = txs[:f.room], rpc.ErrBusy
	case len(txs) > 1000:
		return nil, errDisk
	}
	batch := f.Batch(txs...)
	digests := make([]remora.Hash, len(txs))
	for i := range digests {
		digests[i] = batch.Digest
	}
	if f.rival != nil {
		f.Block(f.rival)
		f.rival = nil
	}
	if f.blocks {
		f.Certify(f.Execute(batch).Header.Height)
	}
	return digests, full
}
