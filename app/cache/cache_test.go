package cache_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/cache"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/app/transfer/transfertest"
	"github.com/remora-network/remora/proofs/content"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newCache is the third cache of a network whose others hold everything.
func newCache(t *testing.T, n *transfertest.Network, quota uint64) (*cache.Service, *store.Store) {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{Quota: quota})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return cache.New(cache.Config{
		Self: remora.Address{3}, Store: st, Chain: n, Network: n, Logger: slog.New(slog.DiscardHandler),
	}), st
}

// run runs the service until it holds content, or for a while when it never does.
func run(t *testing.T, s *cache.Service, done func() bool) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for ctx.Err() == nil && !done() {
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return done()
}

func holds(st *store.Store, c remora.Content) func() bool {
	return func() bool { _, held := st.Length(c.Root); return held }
}

func TestPullsWhatIsAssigned(t *testing.T) {
	n := transfertest.New("c0", "c1", "self")
	data := bytes.Repeat([]byte("content"), 1_500_000) // three requests
	c, empty := n.Add(data, false), n.Add(nil, false)
	n.Answer["c0"] = transfertest.Flip // another provider is used
	s, st := newCache(t, n, 0)
	if !run(t, s, func() bool { return holds(st, c)() && holds(st, empty)() }) {
		t.Fatal("the assigned content was not pulled")
	}
	request := remora.Encode(transfer.ContentRequest{Root: c.Root, Length: c.Length, Offset: 16384, Bytes: 20000})
	stream, err := s.Content(t.Context(), "peer", request)
	if err != nil {
		t.Fatal(err)
	}
	d, err := content.NewDecoder(bytes.NewReader(stream), c.Root, c.Length, content.Range{Offset: 16384, Length: 20000})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(d); err != nil || !bytes.Equal(got, data[16384:36384]) {
		t.Errorf("served %d bytes, %v", len(got), err)
	}
	answer, err := s.Has(t.Context(), "peer", remora.Encode(transfer.HasRequest{Roots: []remora.Hash{c.Root, {9}}}))
	if err != nil || !bytes.Equal(answer, []byte{1, 0}) {
		t.Errorf("has: %v, %v", answer, err)
	}
}

func TestKeepsNothingFalse(t *testing.T) {
	for name, lie := range map[string]func([]byte) ([]byte, error){
		"flip": transfertest.Flip, "cut": transfertest.Cut, "nothing": transfertest.Nothing, "down": transfertest.Down,
	} {
		n := transfertest.New("c0", "c1", "self")
		c := n.Add(bytes.Repeat([]byte("x"), 50_000), false)
		n.Answer["c0"], n.Answer["c1"] = lie, lie
		s, st := newCache(t, n, 0)
		if run(t, s, holds(st, c)) {
			t.Errorf("%s: kept", name)
		}
		request := remora.Encode(transfer.ContentRequest{Root: c.Root, Length: c.Length, Bytes: 10})
		if _, err := s.Content(t.Context(), "peer", request); !errors.Is(err, remora.ErrNotFound) {
			t.Errorf("%s: serves what it does not hold: %v", name, err)
		}
	}
}

func upload(t *testing.T, s http.Handler, cid string, body string) int {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("PUT "+cache.UploadPath+"{cid}", s)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPut, cache.UploadPath+cid, strings.NewReader(body)))
	return w.Code
}

func TestUploads(t *testing.T) {
	n := transfertest.New("c0", "c1", "self")
	text := strings.Repeat("uploaded ", 5000)
	c := n.Add([]byte(text), false)
	large := n.Add(bytes.Repeat([]byte("y"), 200_000), false)
	s, st := newCache(t, n, 100_000)
	cid := content.CID(c.Root, false)
	for name, want := range map[string]struct {
		cid, body string
		status    int
	}{
		"no CID":       {"what", text, 400},
		"other length": {cid, text + "!", 400},
		"other bytes":  {cid, "X" + text[1:], 409},
		"too large":    {content.CID(large.Root, false), strings.Repeat("y", 200_000), 507},
	} {
		if got := upload(t, s, want.cid, want.body); got != want.status {
			t.Errorf("%s: %d, want %d", name, got, want.status)
		}
	}
	if holds(st, c)() {
		t.Fatal("false bytes were kept")
	}
	if got := upload(t, s, cid, text); got != http.StatusCreated || !holds(st, c)() {
		t.Errorf("upload: %d", got)
	}
}
