package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOddDirectories publishes entries that file systems can hold and content cannot.
func TestOddDirectories(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(t *testing.T, dir string)
		want error
		says string
	}{
		"symbolic link": {func(t *testing.T, dir string) {
			fatal(t, os.Symlink("a", filepath.Join(dir, "link")))
		}, remora.ErrInvalid, "symbolic link"},
		"broken link": {func(t *testing.T, dir string) {
			fatal(t, os.Symlink("nowhere", filepath.Join(dir, "link")))
		}, remora.ErrInvalid, "symbolic link"},
		"link in a circle": {func(t *testing.T, dir string) {
			fatal(t, os.Symlink(".", filepath.Join(dir, "self")))
		}, remora.ErrInvalid, "symbolic link"},
		"socket": {func(t *testing.T, dir string) {
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, "s"))
			fatal(t, err)
			t.Cleanup(func() { _ = l.Close() })
		}, remora.ErrInvalid, "neither a file nor a directory"},
		"pipe": {func(t *testing.T, dir string) {
			fatal(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
		}, remora.ErrInvalid, "neither a file nor a directory"},
		"name that is not UTF-8": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "sub", "\xff\xfe"), nil)
		}, remora.ErrInvalid, "not UTF-8"},
		"unreadable file": {func(t *testing.T, dir string) {
			unreadable(t)
			write(t, filepath.Join(dir, "secret"), nil)
			fatal(t, os.Chmod(filepath.Join(dir, "secret"), 0))
		}, os.ErrPermission, "secret"},
		"unreadable folder": {func(t *testing.T, dir string) {
			unreadable(t)
			fatal(t, os.Mkdir(filepath.Join(dir, "closed"), 0))
		}, os.ErrPermission, "closed"},
		"too deep": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, strings.Repeat("d/", maxDepth)+"file"), nil)
		}, remora.ErrTooLarge, "folders deep"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "a"), []byte("x"))
			tt.make(t, dir)
			l := newLedger(t, 1)
			_, err := Publish(t.Context(), dir, l.options())
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %v with %q", err, tt.want, tt.says)
			}
			if len(l.registered) != 0 || len(l.uploaded) != 0 {
				t.Errorf("%d registered, %d uploaded", len(l.registered), len(l.uploaded))
			}
		})
	}
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func unreadable(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
}

// TestGoodDirectories publishes unusual but valid directories.
func TestGoodDirectories(t *testing.T) {
	deep := strings.Repeat("d/", maxDepth-1) + "file"
	for name, tt := range map[string]struct {
		files   []string
		folders []string
		objects int
	}{
		"nothing":               {objects: 1},
		"empty folders":         {folders: []string{"a", "b/c"}, objects: 3}, // the empty one, b and the top
		"odd names":             {files: []string{`back\slash`, "new\nline", " ", "-rf", "~", "%2e%2e", "CON", "ü", strings.Repeat("n", 255)}, objects: 2},
		"as deep as it goes":    {files: []string{deep}, objects: maxDepth + 1},
		"the same file, thrice": {files: []string{"a", "b/a", "c/a"}, objects: 3}, // b and c are one
	} {
		dir := t.TempDir()
		for _, f := range tt.folders {
			fatal(t, os.MkdirAll(filepath.Join(dir, f), 0o755))
		}
		for _, f := range tt.files {
			write(t, filepath.Join(dir, f), []byte("same"))
		}
		l := newLedger(t, 2)
		r, err := Publish(t.Context(), dir, l.options())
		if err != nil || r.Files != len(tt.files) || len(l.uploaded) != tt.objects || len(l.registered) != tt.objects {
			t.Errorf("%s: %+v, %d uploaded, %d registered, %v", name, r, len(l.uploaded), len(l.registered), err)
			continue
		}
		again, err := Publish(t.Context(), dir, l.options()) // everything is registered and held already
		if err != nil || *again != *r {
			t.Errorf("%s: again %+v, %v", name, again, err)
		}
	}
}

// TestDeepestPathIsServed compares the limit on depth with that of a gateway.
func TestDeepestPathIsServed(t *testing.T) {
	path := "/ipfs/" + content.CID(remora.Hash{1}, true) + strings.Repeat("/d", maxDepth-1) + "/file"
	g := gateway.New(noChain{}, nil, nil, nil, nil)
	defer g.Close()
	for extra, want := range map[string]int{"": http.StatusServiceUnavailable, "/x": http.StatusBadRequest} {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path+extra, nil))
		if w.Code != want {
			t.Errorf("path with %q: %d, want %d: %s", extra, w.Code, want, w.Body)
		}
	}
}

// noChain fails on any look-up.
type noChain struct{ gateway.Chain }

func (noChain) Content(remora.Hash, bool) (remora.ContentEntry, bool, error) {
	return remora.ContentEntry{}, false, errors.New("looked up")
}

func TestLargeDirectoryIsRefused(t *testing.T) {
	c := &collection{known: map[string]bool{}}
	var entries []content.Entry
	for i := range 20_000 {
		entries = append(entries, content.Entry{Name: fmt.Sprintf("%0250d", i)})
	}
	if _, err := c.addManifest("dir", entries); !errors.Is(err, remora.ErrTooLarge) || !strings.Contains(err.Error(), "spread") {
		t.Errorf("%v", err)
	}
}

// TestMediaTypesAreTheSameEverywhere pins the CID of a small site, which must not depend on the machine's own table.
func TestMediaTypesAreTheSameEverywhere(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.html", "b.CSS", "c.svg", "d.unknown", "e"} {
		write(t, filepath.Join(dir, name), nil)
	}
	l := newLedger(t, 1)
	r, err := Publish(t.Context(), dir, l.options())
	fatal(t, err)
	d, err := content.DecodeDirectory(l.uploaded[r.CID])
	fatal(t, err)
	for i, want := range []string{"text/html; charset=utf-8", "text/css; charset=utf-8", "image/svg+xml", "", ""} {
		if got := d.Entries[i].MediaType; got != want {
			t.Errorf("%s: %q, want %q", d.Entries[i].Name, got, want)
		}
	}
}

// verifying is a cache that refuses bytes that are not the content.
func verifying(l *ledger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		cid := strings.TrimPrefix(r.URL.Path, "/v1/content/")
		if root, _, err := content.Root(bytes.NewReader(body)); err != nil || root != l.registered[cid].Root {
			w.WriteHeader(http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
}

// TestChangingFiles changes a file between its reading and its upload. No cache is asked twice.
func TestChangingFiles(t *testing.T) {
	before := bytes.Repeat([]byte("before"), 10_000)
	for name, change := range map[string]func(path string) error{
		"other bytes": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("behind"), 10_000), 0o600) },
		"shorter":     func(path string) error { return os.Truncate(path, 50) },
		"empty":       func(path string) error { return os.Truncate(path, 0) },
		"longer":      func(path string) error { return os.WriteFile(path, append(before, 1), 0o600) },
		"gone":        os.Remove,
		"a folder":    func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "log")
		write(t, path, before)
		l := newLedger(t, 0)
		s := httptest.NewServer(verifying(l))
		l.urls = []string{s.URL, s.URL}
		o := l.options()
		tried := 0
		o.Progress = func(format string, _ ...any) {
			if strings.HasPrefix(format, "registering") {
				fatal(t, change(path))
			} else {
				tried++
			}
		}
		_, err := Publish(t.Context(), dir, o)
		s.Close()
		if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), path) || tried != 1 {
			t.Errorf("%s: %v, %d caches tried", name, err, tried)
		}
	}
}

// TestLyingCache has a cache that refuses correct bytes as wrong: the next cache is used.
func TestLyingCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, []byte("true"))
	l := newLedger(t, 0)
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusConflict) }))
	defer liar.Close()
	honest := httptest.NewServer(verifying(l))
	defer honest.Close()
	l.urls = []string{liar.URL, honest.URL, liar.URL}
	if r, err := Publish(t.Context(), path, l.options()); err != nil || r.Replicas != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestStalledCache has a cache that accepts no byte of a large file.
func TestStalledCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, nil)
	fatal(t, os.Truncate(path, 64<<20))
	end := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
	defer s.Close()
	defer close(end)
	c, err := collectPath(path)
	fatal(t, err)
	u := newUploader()
	defer u.client.CloseIdleConnections()
	u.stall = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	l := newLedger(t, 0)
	if _, err := u.uploadToCaches(ctx, c, []transfer.Cache{cacheAt(remora.Address{}, s.URL)}, l.options()); !errors.Is(err, errStalled) || !errors.Is(err, ErrNoCache) {
		t.Errorf("%v", err)
	}
}
