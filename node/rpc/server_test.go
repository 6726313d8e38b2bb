package rpc_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/admission"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/limits"
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
	server *rpc.Server

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
	f.Client, f.server = serveChain(t, f.Chain, f.Submit, rpc.Config{Status: f.status, Ready: f.readiness})
	f.URL = f.Client.URL()
	return f
}

// pass hands admitted transactions on.
type pass func(context.Context, [][]byte) ([]door.Answer, error)

// openDoor returns the door of a node that makes the batches of a chain.
func openDoor(tb testing.TB, chain *replaytest.Chain, pass pass) *door.Door {
	tb.Helper()
	machine, err := state.NewMachine(chain.Genesis)
	if err != nil {
		tb.Fatal(err)
	}
	d := door.New(door.Config{
		Machine: machine, Genesis: chain.Genesis, Head: chain.Head, Verifier: exec.NewVerifier(), Pass: pass,
		Owns: func(*remora.Batch) bool { return true },
	})
	chain.Executor.Observe = d.NoteBlock
	return d
}

// serveChain serves a chain until the test ends, with what the config says beyond it. It returns a client and
// the server.
func serveChain(tb testing.TB, chain *replaytest.Chain, pass pass, c rpc.Config) (*client.Client, *rpc.Server) {
	tb.Helper()
	c.Listen, c.Genesis, c.Store, c.Head, c.Logger = "127.0.0.1:0", chain.Genesis, chain.Store, chain.Head, slog.New(slog.DiscardHandler)
	c.Door = openDoor(tb, chain, pass)
	c.Hits = limits.NewHits(time.Now, c.Logger)
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
	return caller, server
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

// Submit takes admitted transactions.
func (f *fixture) Submit(_ context.Context, txs [][]byte) ([]door.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answers := make([]door.Answer, len(txs))
	switch {
	case f.room == 0:
		return nil, door.ErrBusy
	case f.room > 0 && len(txs) > f.room:
		for i := range answers[f.room:] {
			answers[f.room+i].Refusal = &admission.Refusal{Code: admission.CodeFull, Reason: "full"}
		}
		txs = txs[:f.room]
	case len(txs) > 1000:
		return nil, errDisk
	}
	batch := f.Batch(txs...)
	for i := range txs {
		answers[i].Batch = batch.Digest
	}
	if f.rival != nil {
		f.Block(f.rival)
		f.rival = nil
	}
	if f.blocks {
		f.Certify(f.Execute(batch).Header.Height)
	}
	return answers, nil
}
