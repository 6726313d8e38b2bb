package fetch_test

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/fetch"
	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer/transfertest"
	"github.com/remora-network/remora/proofs/content"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// between changes answers of the gateway.
type between func(w http.ResponseWriter, r *http.Request, next http.Handler)

func serve(t testing.TB, n *transfertest.Network, change between) string {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.New(n, n, st, slog.New(slog.DiscardHandler), nil)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if change == nil {
			g.ServeHTTP(w, r)
			return
		}
		change(w, r, g)
	}))
	t.Cleanup(func() {
		s.Close()
		g.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.URL
}

func random(n int) []byte {
	b := make([]byte, n)
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.IntN(256))
	}
	_, _ = rand.NewChaCha8(seed).Read(b) // never fails
	return b
}

func TestFetchFiles(t *testing.T) {
	n := transfertest.New("c0")
	url := serve(t, n, nil)
	for _, size := range []int{0, 1, 1024, 16384, 16385, 4 << 20, 4<<20 + 1, 13<<20 + 7} {
		data := random(size)
		c := n.Add(data, false)
		out := filepath.Join(t.TempDir(), "out")
		r, err := fetch.Fetch(t.Context(), fetch.Options{Gateway: url, CID: content.CID(c.Root, false), Out: out})
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		got, err := os.ReadFile(out)
		if err != nil || !bytes.Equal(got, data) || !r.Verified || r.Bytes != uint64(size) {
			t.Errorf("%d bytes: %d, %+v, %v", size, len(got), r, err)
		}
		if left, _ := filepath.Glob(out + ".*"); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestFetchDirectories(t *testing.T) {
	n := transfertest.New("c0")
	site := n.AddDirectory(map[string]string{"a": "first", "b c": "second", "empty": ""})
	url, out := serve(t, n, nil), filepath.Join(t.TempDir(), "site")
	cid := content.CID(site.Root, true)
	if _, err := fetch.Fetch(t.Context(), fetch.Options{Gateway: url, CID: cid, Out: out}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "first", "b c": "second", "empty": ""} {
		if got, err := os.ReadFile(filepath.Join(out, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	one := filepath.Join(t.TempDir(), "one")
	if _, err := fetch.Fetch(t.Context(), fetch.Options{Gateway: url, CID: cid, Path: []string{"b c"}, Out: one}); err != nil {
		t.Fatal(err)
	}
	if _, err := fetch.Fetch(t.Context(), fetch.Options{Gateway: url, CID: cid, Path: []string{"nothing"}, Out: one}); !errors.Is(err, fetch.ErrPath) {
		t.Errorf("a path that is not there: %v", err)
	}
}

// recorder keeps an answer so that it can be changed.
func recorded(r *http.Request, next http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	next.ServeHTTP(w, r)
	return w
}

func forward(w http.ResponseWriter, from *httptest.ResponseRecorder, body []byte) {
	for name, values := range from.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(from.Code)
	_, _ = w.Write(body)
}

// TestFalseGateway changes answers: only verified bytes are written, and no file appears.
func TestFalseGateway(t *testing.T) {
	data := random(9 << 20)
	for name, c := range map[string]struct {
		spoil func([]byte) []byte
		want  error
	}{
		"flip":     {func(b []byte) []byte { b[len(b)-100] ^= 1; return b }, fetch.ErrUnverified},
		"truncate": {func(b []byte) []byte { return b[:len(b)-1] }, fetch.ErrUnverified},
		"extend":   {func(b []byte) []byte { return append(b, 0) }, fetch.ErrUnverified},
		"nothing":  {func([]byte) []byte { return nil }, fetch.ErrUnverified},
		"flood":    {func(b []byte) []byte { return append(b, make([]byte, 5<<20)...) }, fetch.ErrUnverified},
	} {
		n := transfertest.New("c0")
		content1 := n.Add(data, false)
		var count atomic.Int64
		url := serve(t, n, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			answer := recorded(r, next)
			body := answer.Body.Bytes()
			if r.Method == http.MethodGet && count.Add(1) == 2 {
				body = c.spoil(body)
			}
			if r.Method == http.MethodHead {
				next.ServeHTTP(w, r)
				return
			}
			forward(w, answer, body)
		})
		out := filepath.Join(t.TempDir(), "out")
		o := fetch.Options{Gateway: url, CID: content.CID(content1.Root, false), Out: out}
		if _, err := fetch.Fetch(t.Context(), o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: the file appeared", name)
		}
		written, err := os.ReadFile(out + ".part")
		if err != nil || !bytes.Equal(written, data[:len(written)]) {
			t.Errorf("%s: false bytes were written (%v)", name, err)
		}
		if _, err := fetch.Fetch(t.Context(), o); err != nil { // it resumes
			t.Errorf("%s: second time: %v", name, err)
		}
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes after the second time, %v", name, len(got), err)
		}
	}
}

func TestFalseLength(t *testing.T) {
	for _, claim := range []string{"0", "5", "999999", "-1", "x", ""} {
		n := transfertest.New("c0")
		c := n.Add(random(100_000), false)
		url := serve(t, n, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			answer := recorded(r, next)
			answer.Header().Set(gateway.HeaderLength, claim)
			forward(w, answer, answer.Body.Bytes())
		})
		out := filepath.Join(t.TempDir(), "out")
		if _, err := fetch.Fetch(t.Context(), fetch.Options{Gateway: url, CID: content.CID(c.Root, false), Out: out}); err == nil {
			t.Errorf("a length of %q was believed", claim)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("with a length of %q the file appeared", claim)
		}
	}
}

func TestBadInput(t *testing.T) {
	url := serve(t, transfertest.New("c0"), nil)
	for name, c := range map[string]struct {
		options fetch.Options
		want    error
	}{
		"no gateway": {fetch.Options{Gateway: "nowhere", CID: content.CID(remora.Hash{1}, false)}, remora.ErrInvalid},
		"bad CID":    {fetch.Options{Gateway: url, CID: "abc"}, content.ErrCID},
		"foreign":    {fetch.Options{Gateway: url, CID: "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"}, content.ErrForeignCID},
		"unknown":    {fetch.Options{Gateway: url, CID: content.CID(remora.Hash{1}, false)}, fetch.ErrGateway},
	} {
		c.options.Out = filepath.Join(t.TempDir(), "out")
		if _, err := fetch.Fetch(t.Context(), c.options); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkFetch(b *testing.B) {
	n := transfertest.New("c0")
	c := n.Add(random(256<<20), false)
	url, out := serve(b, n, nil), filepath.Join(b.TempDir(), "out")
	b.SetBytes(256 << 20)
	for b.Loop() {
		if _, err := fetch.Fetch(b.Context(), fetch.Options{Gateway: url, CID: content.CID(c.Root, false), Out: out}); err != nil {
			b.Fatal(err)
		}
	}
}
