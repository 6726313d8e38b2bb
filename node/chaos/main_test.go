package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/remora-network/remora/node/chaos"
	"github.com/remora-network/remora/node/chaos/attack"
)

var (
	seed   = flag.Uint64("seed", 3, "of schedules and loads; 3 has every kind of kill in a short run, too")
	cycles = flag.Int("cycles", 0, "kill -9 so many times, and run the tests that take long or need root as well; 0: a short run")
	binary = flag.String("remora", "", "the program to run; empty: build it")
)

// TestMain builds the program that the validators run.
func TestMain(m *testing.M) {
	attack.Main()
	flag.Parse()
	remove := func() {}
	if !testing.Short() && *binary == "" {
		dir, err := os.MkdirTemp("", "remora-chaos-")
		if err == nil {
			remove = func() { _ = os.RemoveAll(dir) }
			*binary = filepath.Join(dir, "remora")
			build := exec.Command("go", "build", "-o", *binary, "../../cmd/remora")
			build.Stderr = os.Stderr
			err = build.Run()
		}
		if err != nil {
			remove()
			fmt.Fprintln(os.Stderr, "build the program:", err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		remove()
		os.Exit(code)
	}))
}

// run is a network under load in a test.
type run struct {
	*testing.T
	*chaos.Network
	history chaos.History
	begin   time.Time
	calm    func() // ends the load and waits for its last answer
}

// start boots a network and begins to load it. The network's directory stays when the test fails.
func start(ctx context.Context, t *testing.T, o chaos.Options, load chaos.Load) *run {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real processes")
	}
	dir, err := os.MkdirTemp("", "remora-chaos-net-")
	if err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Binary = dir, *binary
	r := &run{T: t, begin: time.Now()}
	r.Network, err = chaos.Up(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Down(); err != nil {
			t.Error(err)
		}
		if !t.Failed() {
			_ = os.RemoveAll(dir)
			return
		}
		if err := r.history.Save(filepath.Join(dir, "history.jsonl")); err != nil {
			t.Error(err)
		}
		t.Logf("homes, logs and history are kept in %s", dir)
	})
	loading, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Drive(loading, load, &r.history)
	}()
	r.calm = func() { stop(); <-ended }
	t.Cleanup(r.calm)
	return r
}

func (r *run) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// verify ends the load and makes every check, including a replay of one home.
func (r *run) verify(ctx context.Context, expected ...string) *chaos.Checked {
	r.Helper()
	r.calm()
	found, err := r.Check(ctx, &r.history)
	r.must(err)
	r.must(r.CheckLogs(expected...))
	r.must(r.Down())
	r.must(r.Replay(ctx, int(*seed%chaos.Validators)))
	r.must(r.CheckStores(found))
	if found.Acked < 10 || found.Executed < found.Acked {
		r.Errorf("%d acknowledged and %d executed: that proves little", found.Acked, found.Executed)
	}
	r.Logf("seed %d: %d blocks, %d transactions, %d acknowledged, %d executed, %d unanswered, %d lost, %d duplicated, %.1f s", *seed,
		found.Blocks, found.Submitted, found.Acked, found.Executed, found.Unanswered, found.Lost, found.Duplicated, time.Since(r.begin).Seconds())
	return found
}
