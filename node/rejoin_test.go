package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node"
)

// sharedLog collects what validators log.
type sharedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *sharedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *sharedLog) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.text.Bytes(), []byte(text))
}

// guarded starts four validators with signing records and one log.
func guarded(t *testing.T) (*fleet, *sharedLog) {
	f, log := newFleet(t, 4), new(sharedLog)
	for i := range f.configs {
		c := &f.configs[i]
		c.Signing = filepath.Join(filepath.Dir(c.DataDir), "signing.json")
		if err := keystore.SaveRecord(c.Signing, keystore.Record{Key: c.Keys.Consensus.Public()}); err != nil {
			t.Fatal(err)
		}
		c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo})).With(slog.Int("node", i))
		f.start(i)
	}
	return f, log
}

// transfer has a validator take a transfer and waits until it is executed there.
func (f *fleet) transfer(ctx context.Context, via, from int) remora.Height {
	f.t.Helper()
	sent, err := f.client(via).Transfer(ctx, account(f.t, from), account(f.t, 7).Public(), 5, true)
	if err != nil {
		f.t.Fatal(err)
	}
	return sent.Tx.Height
}

// proposes waits for a block above a height whose leader is a validator's header.
func (f *fleet) proposes(ctx context.Context, author, watcher int, after remora.Height) {
	f.t.Helper()
	c := f.client(watcher)
	for e, err := range c.Events(ctx, after+1) {
		if err != nil {
			f.t.Fatalf("no header of validator %d leads a block above %d: %v", author, after, err)
		}
		b, err := c.Block(ctx, e.Height)
		if err != nil {
			f.t.Fatal(err)
		}
		if b.Leader == fmt.Sprintf("validator-%d", author) {
			return
		}
	}
}

func (f *fleet) height(ctx context.Context, i int) remora.Height {
	f.t.Helper()
	s, err := f.client(i).Status(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	return s.Height
}

// A validator whose data is gone comes back while the others run: it signs again, and nobody sees it contradict itself.
func TestWipedValidatorRejoins(t *testing.T) {
	f, log := guarded(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for range 5 {
		f.transfer(ctx, 3, 0)
	}
	f.stop(3)
	if err := errors.Join(os.RemoveAll(f.configs[3].DataDir), os.Mkdir(f.configs[3].DataDir, 0o700)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.transfer(ctx, 0, 1)
	}
	f.start(3)
	after := f.height(ctx, 0)
	f.proposes(ctx, 3, 0, after)
	f.agree(ctx, f.transfer(ctx, 3, 2), 0, 1, 2, 3)
	if !log.has("rejoined") || log.has("two headers") {
		t.Errorf("log:\n%s", log.text.String())
	}
	f.stop(3) // with its data it is trusted again
	f.start(3)
	f.agree(ctx, f.transfer(ctx, 3, 2), 0, 1, 2, 3)
}

// A validator that is started from an old copy of its data notices it, and nobody sees it contradict itself.
func TestOldCopyOfTheData(t *testing.T) {
	f, log := guarded(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	f.transfer(ctx, 3, 0)
	f.stop(3)
	data, old := f.configs[3].DataDir, filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(old, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	f.start(3)
	for range 5 {
		f.transfer(ctx, 3, 1)
	}
	f.stop(3)
	if err := errors.Join(os.RemoveAll(data), os.Rename(old, data)); err != nil {
		t.Fatal(err)
	}
	f.start(3)
	f.proposes(ctx, 3, 0, f.height(ctx, 0))
	f.agree(ctx, f.transfer(ctx, 3, 2), 0, 1, 2, 3)
	if !log.has("older copy") || !log.has("rejoined") || log.has("two headers") {
		t.Errorf("log:\n%s", log.text.String())
	}
}

// Of two processes with the same keys one stops as soon as it hears of the other, and the chain goes on.
func TestSecondProcessWithTheSameKeys(t *testing.T) {
	f, log := guarded(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	f.transfer(ctx, 3, 0)
	f.stop(3)
	c, dir := f.configs[3], t.TempDir()
	c.DataDir, c.Signing = filepath.Join(dir, "data"), filepath.Join(dir, "signing.json")
	if err := errors.Join(os.CopyFS(c.DataDir, os.DirFS(f.configs[3].DataDir)), copyFile(f.configs[3].Signing, c.Signing)); err != nil {
		t.Fatal(err)
	}
	c.Listen, c.RPC = []string{"/ip4/127.0.0.1/tcp/0"}, "127.0.0.1:0"
	running, end := context.WithCancel(ctx)
	ended := make(chan error, 2)
	for _, config := range []node.Config{f.configs[3], c} {
		n, err := node.New(config)
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- errors.Join(n.Run(running), n.Close()) }()
	}
	if err := <-ended; !errors.Is(err, mempool.ErrTwin) {
		t.Errorf("the first to end ends with %v", err)
	}
	end()
	if err := <-ended; err != nil && !errors.Is(err, mempool.ErrTwin) {
		t.Errorf("the other ends with %v", err)
	}
	f.agree(ctx, f.transfer(ctx, 0, 2), 0, 1, 2)
	if log.has("certified=true") {
		t.Errorf("two certificates of one round:\n%s", log.text.String())
	}
}

// A validator that only observes executes what the others certify, passes transactions on, and leads no block.
func TestObserver(t *testing.T) {
	f, _ := guarded(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	f.transfer(ctx, 3, 0)
	f.stop(3)
	f.configs[3].Observer = "a test wants it"
	f.start(3)
	from := f.transfer(ctx, 3, 1) + 8 // what it signed before is ordered by then
	var newest remora.Height
	for newest <= from {
		newest = f.transfer(ctx, 3, 1)
	}
	f.agree(ctx, newest, 0, 1, 2, 3)
	for h := from; h <= newest; h++ {
		if b, err := f.client(3).Block(ctx, h); err != nil || b.Leader == "validator-3" {
			t.Errorf("block %d: leader %v, %v", h, b, err)
		}
	}
	s, err := f.client(3).Status(ctx)
	if err != nil || !s.Observer || s.ObserverReason != "a test wants it" || s.Synced {
		t.Errorf("status %+v, %v", s, err)
	}
	f.stop(3)
	f.configs[3].Observer = ""
	f.start(3)
	f.proposes(ctx, 3, 0, f.height(ctx, 0))
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

// A signing record that is damaged or of another chain stops the start: nothing may be signed without it.
func TestUnusableSigningRecord(t *testing.T) {
	f, _ := guarded(t)
	f.stop(2)
	c := f.configs[2]
	r, err := keystore.LoadRecord(c.Signing)
	if err != nil || !r.Used || r.ChainID != f.genesis.ChainID {
		t.Fatalf("record %+v, %v", r, err)
	}
	r.ChainID = "dev-other"
	text, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range [][]byte{text, []byte("{")} {
		if err := os.WriteFile(c.Signing, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := node.New(c); !errors.Is(err, keystore.ErrRecord) {
			t.Errorf("started with %s: %v", content, err)
		}
	}
	if err := os.Remove(c.Signing); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	f.start(2) // it asks the others instead
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f.proposes(ctx, 2, 0, f.height(ctx, 0))
}
