package cache_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/cache"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/app/transfer/transfertest"
	"github.com/remora-network/remora/proofs/content"
)

// openFaulty is the last cache of a network, on a disk that may fail.
func openFaulty(t *testing.T, n *transfertest.Network, fault func(int) error) (*cache.Service, *store.Store, string) {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(dir, store.Options{Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, st) })
	return cache.New(cache.Config{
		Self: remora.Address{2}, Store: st, Chain: n, Network: n, Logger: slog.New(slog.DiscardHandler),
	}), st, dir
}

// TestFullDisk uploads to and pulls into a full disk: neither is acknowledged, stored content stays, and both succeed
// when there is space again.
func TestFullDisk(t *testing.T) {
	n := transfertest.New("c0", "self")
	room := 1 << 30
	s, st, _ := openFaulty(t, n, func(bytes int) error {
		if room -= bytes; room <= 0 {
			room = 0
			return syscall.ENOSPC
		}
		return nil
	})
	text := strings.Repeat("kept ", 5000)
	kept := n.Add([]byte(text), false)
	if got := upload(t, s, content.CID(kept.Root, false), text); got != http.StatusCreated {
		t.Fatal(got)
	}
	room = 60_000
	long := strings.Repeat("x", 100_000)
	c := n.Add([]byte(long), false)
	cid := content.CID(c.Root, false)
	if got := upload(t, s, cid, long); got != http.StatusInsufficientStorage || holds(st, c)() {
		t.Errorf("upload to a full disk: %d, held %t", got, holds(st, c)())
	}
	room = 60_000
	for range 3 {
		if err := s.Repair(t.Context()); !errors.Is(err, store.ErrNoSpace) || holds(st, c)() {
			t.Errorf("repair on a full disk: %v, held %t", err, holds(st, c)())
		}
	}
	if !holds(st, kept)() {
		t.Error("what was acknowledged is gone")
	}
	room = 1 << 30
	if err := s.Repair(t.Context()); err != nil || !holds(st, c)() {
		t.Errorf("with room again: %v, held %t", err, holds(st, c)())
	}
	if got := upload(t, s, cid, long); got != http.StatusCreated || st.Used() != kept.Length+c.Length {
		t.Errorf("with room again: %d, %d bytes used", got, st.Used())
	}
}

// spoil flips a bit of every file of an object's data below dir.
func spoil(t *testing.T, dir string, c remora.Content) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(path) != c.Root.String()+".data" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[len(b)/2] ^= 1
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDamageIsRepaired flips a bit on disk. Whether a request or the scrubber finds it first, no false byte leaves, and
// the next repair fetches the content again.
func TestDamageIsRepaired(t *testing.T) {
	for _, scrubbed := range []bool{false, true} {
		n := transfertest.New("c0", "self")
		data := bytes.Repeat([]byte("remora"), 50_000)
		c := n.Add(data, false)
		s, st, dir := openFaulty(t, n, nil)
		if err := s.Repair(t.Context()); err != nil || !holds(st, c)() {
			t.Fatal(err)
		}
		spoil(t, dir, c)
		request := remora.Encode(transfer.ContentRequest{Root: c.Root, Length: c.Length, Bytes: c.Length})
		if scrubbed {
			s.ScrubPass(t.Context(), 1<<40)
		} else if _, err := s.Content(t.Context(), "peer", request); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("served damaged content: %v", err)
		}
		if holds(st, c)() {
			t.Fatalf("scrubbed %t: the damaged object stayed", scrubbed)
		}
		if has, err := s.Has(t.Context(), "peer", remora.Encode(transfer.HasRequest{Roots: []remora.Hash{c.Root}})); err != nil || has[0] != 0 {
			t.Errorf("claims to hold it: %v, %v", has, err)
		}
		if err := s.Repair(t.Context()); err != nil || !holds(st, c)() {
			t.Fatalf("scrubbed %t: not repaired: %v", scrubbed, err)
		}
		stream, err := s.Content(t.Context(), "peer", request)
		if err != nil {
			t.Fatal(err)
		}
		d, err := content.NewDecoder(bytes.NewReader(stream), c.Root, c.Length, content.Whole(c.Length))
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := d.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), data) {
			t.Errorf("scrubbed %t: %d bytes, %v", scrubbed, got.Len(), err)
		}
	}
}

// TestScrubIsGentle reads 1 MiB at 64 KiB a second, in simulated time, and ends at once with its context.
func TestScrubIsGentle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := transfertest.New("c0", "self")
		s, st, _ := openFaulty(t, n, nil)
		for i := range 4 {
			b := bytes.Repeat([]byte{byte(i)}, 256<<10)
			if err := st.Import(bytes.NewReader(b), n.Add(b, false)); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		s.ScrubPass(t.Context(), 64<<10)
		if took := time.Since(began); took < 16*time.Second || took > 17*time.Second {
			t.Errorf("a pass took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began = time.Now()
		s.ScrubPass(ctx, 64<<10)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("ended after %s", took)
		}
	})
}

// TestStalledUpload announces more bytes than it sends: their reserved space is soon free again.
func TestStalledUpload(t *testing.T) {
	n := transfertest.New("c0", "self")
	c := n.Add(bytes.Repeat([]byte("z"), 100_000), false)
	s, st, _ := openFaulty(t, n, nil)
	s.SetUploadPatience(50 * time.Millisecond)
	mux := http.NewServeMux()
	mux.Handle("PUT "+cache.UploadPath+"{cid}", s)
	server := httptest.NewServer(mux)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, server.URL+cache.UploadPath+content.CID(c.Root, false),
		untilDone{strings.NewReader("zzzz"), ctx})
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(c.Length)
	resp, err := server.Client().Do(r)
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestTimeout {
			t.Errorf("answered %s", resp.Status)
		}
	}
	cancel()
	if ctx.Err() == context.DeadlineExceeded || st.Used() != 0 {
		t.Errorf("the upload was not cut off: %v, %d bytes used", err, st.Used())
	}
}

// untilDone brings some bytes and then none until its context ends.
type untilDone struct {
	first *strings.Reader
	ctx   context.Context
}

// Read implements io.Reader.
func (u untilDone) Read(p []byte) (int, error) {
	if u.first.Len() > 0 {
		return u.first.Read(p)
	}
	<-u.ctx.Done()
	return 0, u.ctx.Err()
}
