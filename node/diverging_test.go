package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/p2p/p2ptest"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/table"
)

// journal is a log that a test reads while the node writes.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// errors counts what was logged at level ERROR.
func (j *journal) errors() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), "level=ERROR")
}

// watch runs a node whose end is the test's to see, and records its log.
func (f *fleet) watch(i int) (*node.Node, *journal, <-chan error) {
	f.t.Helper()
	log := new(journal)
	f.configs[i].Logger = slog.New(slog.NewTextHandler(log, nil))
	n, err := node.New(f.configs[i])
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		ended <- n.Run(ctx)
	}()
	f.stops[i] = func() error {
		cancel()
		<-done
		return n.Close()
	}
	return n, log, ended
}

// robbed takes a coin from an account's record.
func robbed(t *testing.T) func([]byte) []byte {
	return func(value []byte) []byte {
		a, err := ledger.DecodeAccount(value)
		if err != nil {
			t.Error(err)
		}
		a.Balance--
		return remora.Encode(a)
	}
}

// requireMinority waits for a node to stop because its state is not the others', and returns how.
func requireMinority(ctx context.Context, t *testing.T, ended <-chan error) *exec.Divergence {
	t.Helper()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		t.Fatal("the damaged node goes on")
	}
	var d *exec.Divergence
	if !errors.Is(err, blocksync.ErrMinority) || !errors.As(err, &d) {
		t.Fatalf("it stops with %v, want %v and the block", err, blocksync.ErrMinority)
	}
	return d
}

// requireRow checks that a divergence names the account that misses a coin.
func requireRow(t *testing.T, d *exec.Divergence, address remora.Address) {
	t.Helper()
	if d.Row == nil {
		t.Fatalf("%v does not name the row", d)
	}
	expected, errA := ledger.DecodeAccount(d.Row.Expected.Bytes)
	got, errB := ledger.DecodeAccount(d.Row.Got.Bytes)
	if d.Row.Table != table.Accounts || string(d.Row.Key) != string(address[:]) || errA != nil || errB != nil || got.Balance+1 != expected.Balance {
		t.Errorf("row %v, want the account %s with a coin less", d.Row, address)
	}
	for _, want := range []string{
		fmt.Sprintf("block %d", d.Height), d.Expected.StateRoot.String(), d.Got.StateRoot.String(), address.String(), "protocol version",
	} {
		if !strings.Contains(d.Error(), want) {
			t.Errorf("%q does not name %s", d, want)
		}
	}
}

// TestDamagedValidatorStops changes an account in the tables of one running validator: it stops as soon as a block touches
// the account, names it, and the others go on.
func TestDamagedValidatorStops(t *testing.T) {
	f := newFleet(t, 4)
	for i := range 3 {
		f.start(i)
	}
	damaged, log, ended := f.watch(3)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	sent, err := f.client(0).Transfer(ctx, account(t, 1), account(t, 2).Public(), 5, true)
	if err != nil {
		t.Fatal(err)
	}
	f.agree(ctx, sent.Tx.Height, 0, 3)
	address := account(t, 0).Public()
	if err := damaged.Damage(table.Accounts, address[:], robbed(t)); err != nil {
		t.Fatal(err)
	}
	if sent, err = f.client(1).Transfer(ctx, account(t, 0), account(t, 2).Public(), 5, true); err != nil {
		t.Fatal(err)
	}
	first := requireMinority(ctx, t, ended)
	requireRow(t, first, address)
	if log.errors() != 1 {
		t.Errorf("%d errors in the log, want one:\n%s", log.errors(), &log.text)
	}
	if ready, reasons := damaged.Ready(); ready || !slices.ContainsFunc(reasons, func(r string) bool { return strings.Contains(r, "state differs") }) {
		t.Errorf("ready %v, because of %q", ready, reasons)
	}
	f.agree(ctx, sent.Tx.Height, 0, 1, 2)
	if sent, err = f.client(2).Transfer(ctx, account(t, 0), account(t, 2).Public(), 5, true); err != nil {
		t.Fatal(err)
	}
	f.agree(ctx, sent.Tx.Height, 0, 1, 2)

	f.stop(3)
	_, _, ended = f.watch(3)
	if again := requireMinority(ctx, t, ended); again.Height != first.Height {
		t.Errorf("restarted, it stops because of block %d, before because of block %d", again.Height, first.Height)
	}
}

// TestDamagedFollowerStops is the same for a node that only executes what the validators certified.
func TestDamagedFollowerStops(t *testing.T) {
	f := newFleet(t, 1)
	f.start(0)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	f.follow(t)
	damaged, log, ended := f.watch(1)
	sent, err := f.client(0).Transfer(ctx, account(t, 1), account(t, 2).Public(), 5, true)
	if err != nil {
		t.Fatal(err)
	}
	f.agree(ctx, sent.Tx.Height, 0, 1)
	address := account(t, 0).Public()
	if err := damaged.Damage(table.Accounts, address[:], robbed(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client(0).Transfer(ctx, account(t, 0), account(t, 2).Public(), 5, true); err != nil {
		t.Fatal(err)
	}
	requireRow(t, requireMinority(ctx, t, ended), address)
	if log.errors() != 1 {
		t.Errorf("%d errors in the log, want one:\n%s", log.errors(), &log.text)
	}
}

// follow configures a cache.
func (f *fleet) follow(t *testing.T) {
	t.Helper()
	c, dir := f.configs[0], t.TempDir()
	c.DataDir, c.ContentDir = filepath.Join(dir, "data"), filepath.Join(dir, "content")
	if err := errors.Join(os.MkdirAll(c.DataDir, 0o700), os.MkdirAll(c.ContentDir, 0o700)); err != nil {
		t.Fatal(err)
	}
	c.Listen = []string{p2ptest.Multiaddr(t)}
	c.Name, c.Roles = "cache-0", remora.RoleCache
	c.Keys, c.Record = member(t, 7, c.Name, c.Roles, c.Listen[0])
	c.RPC = p2ptest.HostPort(t)
	f.configs, f.stops = append(f.configs, c), append(f.stops, nil)
}

// TestDamagedTablesAreRefusedAtStart changes a row that no block touches: nothing notices while the node runs, and the
// next start refuses.
func TestDamagedTablesAreRefusedAtStart(t *testing.T) {
	f := newFleet(t, 1)
	damaged, _, _ := f.watch(0)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	address := account(t, 7).Public()
	if err := damaged.Damage(table.Accounts, address[:], robbed(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client(0).Transfer(ctx, account(t, 0), account(t, 1).Public(), 5, true); err != nil {
		t.Fatal(err)
	}
	f.stop(0)
	log := new(journal)
	f.configs[0].Logger = slog.New(slog.NewTextHandler(log, nil))
	_, err := node.New(f.configs[0])
	var d *exec.Divergence
	if !errors.Is(err, blocksync.ErrMinority) || !errors.Is(err, remora.ErrCorrupt) || !errors.As(err, &d) || d.Height == 0 || d.Expected.StateRoot == d.Got.StateRoot {
		t.Fatalf("it starts with %v, want a refusal that names height and roots", err)
	}
	if !strings.Contains(err.Error(), "empty the data directory") || log.errors() != 1 {
		t.Errorf("%d errors in the log, %q says what to do", log.errors(), err)
	}
}
