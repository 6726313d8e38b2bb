package publish

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// ledger registers content whose length is proven, and is a cache that accepts registered content.
type ledger struct {
	mu         sync.Mutex
	registered map[string]remora.Content
	uploaded   map[string][]byte
	status     int
	urls       []string
}

func (l *ledger) Register(_ context.Context, r remora.RegisterContent) error {
	if err := r.Check(); err != nil {
		return err
	}
	c := r.Content
	proof := content.ChunkProof{Data: r.Last, Path: r.Path}
	if err := content.VerifyChunk(c.Root, c.Length, content.Chunks(c.Length)-1, proof); err != nil {
		return err
	}
	l.registered[content.CID(c.Root, r.Directory)] = c
	return nil
}

func (l *ledger) Caches(context.Context) ([]transfer.Cache, error) {
	var caches []transfer.Cache
	for i, url := range l.urls {
		caches = append(caches, cacheAt(remora.Address{byte(i)}, url))
	}
	return caches, nil
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uploaded[strings.TrimPrefix(r.URL.Path, "/v1/content/")] = body
	w.WriteHeader(l.status)
}

// cacheAt returns a cache with the URL of a test server.
func cacheAt(address remora.Address, url string) transfer.Cache {
	web, err := transfer.WebMultiaddr(strings.TrimPrefix(url, "http://"))
	if err != nil {
		panic(err)
	}
	return transfer.Cache{Address: address, Name: url, Addrs: []string{web}}
}

func newLedger(t *testing.T, caches int) *ledger {
	t.Helper()
	l := &ledger{registered: map[string]remora.Content{}, uploaded: map[string][]byte{}, status: http.StatusCreated}
	for range caches {
		s := httptest.NewServer(l)
		t.Cleanup(s.Close)
		l.urls = append(l.urls, s.URL)
	}
	return l
}

func (l *ledger) options() Options {
	return Options{Chain: l, Replicas: 2, Progress: func(string, ...any) {}}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPublishDirectory(t *testing.T) {
	dir := t.TempDir()
	files := map[string][]byte{
		"index.html": []byte("<p>"), "empty": nil, "odd name ü.txt": []byte("x"), "sub/deep/big": bytes.Repeat([]byte("z"), 100_000), "sub/copy": []byte("<p>"),
	}
	for name, data := range files {
		write(t, filepath.Join(dir, name), data)
	}
	l := newLedger(t, 3)
	r, err := Publish(t.Context(), dir, l.options())
	if err != nil {
		t.Fatal(err)
	}
	if r.Files != 5 || r.Replicas != 2 || r.Size != 100_007 {
		t.Errorf("%+v", r)
	}
	root, directory, err := content.ParseCID(r.CID)
	if err != nil || !directory {
		t.Fatalf("CID %s: %v", r.CID, err)
	}
	for name, want := range files {
		at, isDirectory := root, true
		for part := range strings.SplitSeq(name, "/") {
			d, err := content.DecodeDirectory(l.uploaded[content.CID(at, isDirectory)])
			if err != nil {
				t.Fatal(err)
			}
			e, found := d.Lookup(part)
			if !found {
				t.Fatalf("%s: no %s", name, part)
			}
			at, isDirectory = e.Root, e.Directory
		}
		if got := l.uploaded[content.CID(at, false)]; !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes", name, len(got))
		}
	}
	if len(l.registered) != len(l.uploaded) {
		t.Errorf("registered %d, uploaded %d", len(l.registered), len(l.uploaded))
	}
}

func TestPublishRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), []byte("x"))
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	l := newLedger(t, 1)
	if _, err := Publish(t.Context(), dir, l.options()); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("a link out of the directory: %v", err)
	}
	if _, err := Publish(t.Context(), filepath.Join(dir, "none"), l.options()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	l.status = http.StatusInsufficientStorage
	if _, err := Publish(t.Context(), filepath.Join(dir, "a"), l.options()); !errors.Is(err, ErrNoCache) {
		t.Errorf("a full cache: %v", err)
	}
	if _, err := Publish(t.Context(), filepath.Join(dir, "a"), newLedger(t, 0).options()); !errors.Is(err, ErrNoCache) {
		t.Errorf("no cache: %v", err)
	}
}
