package gateway_test

import (
	"bytes"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer/transfertest"
	"github.com/remora-network/remora/proofs/content"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a gateway over a network of caches.
func serve(t *testing.T, n *transfertest.Network) *httptest.Server {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.New(n, n, st, slog.New(slog.DiscardHandler), nil)
	s := httptest.NewServer(g)
	t.Cleanup(func() {
		s.Close()
		g.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

type answer struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

func get(t *testing.T, s *httptest.Server, method, path string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	c := s.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), err}
}

func TestFilesAndDirectories(t *testing.T) {
	n := transfertest.New("c0", "c1")
	site := n.AddDirectory(map[string]string{"index.html": "<h1>hi</h1>", "a b.txt": "spaced", "ü.css": "x", "empty": ""})
	plain := n.AddDirectory(map[string]string{"<b>.txt": "markup"})
	file := n.Add([]byte("just a file"), false)
	s := serve(t, n)
	dir, bare, raw := "/ipfs/"+content.CID(site.Root, true), "/ipfs/"+content.CID(plain.Root, true), "/ipfs/"+content.CID(file.Root, false)
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		raw:                              {200, "just a file"},
		dir + "/":                        {200, "<h1>hi</h1>"},
		dir:                              {301, "Moved Permanently"},
		dir + "/a%20b.txt":               {200, "spaced"},
		dir + "/%C3%BC.css":              {200, "x"},
		dir + "/empty":                   {200, ""},
		dir + "/nothing":                 {404, "resolve"},
		dir + "/index.html/more":         {404, "is a file"},
		bare + "/":                       {200, "&lt;b&gt;.txt"},
		"/ipfs/notacid":                  {400, "malformed"},
		"/ipfs/":                         {400, "resolve"},
		dir + "/../x":                    {400, "not a valid name"},
		dir + "/%2e%2e/x":                {400, "not a valid name"},
		dir + "/a%2Fb":                   {400, "not a valid name"},
		dir + "/%00":                     {400, "not a valid name"},
		dir + "/%ff":                     {400, "not a valid name"},
		dir + "//x":                      {400, "not a valid name"},
		dir + strings.Repeat("/a", 5000): {400, "resolve"},
		"/ipfs/" + content.CID(remora.Hash{1}, false):          {404, "index"},
		"/ipfs/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG": {400, "another system"},
	} {
		if got := get(t, s, "GET", path); got.status != want.status || !strings.Contains(got.body, want.body) {
			t.Errorf("%.100s: %d %.200q, want %d with %q", path, got.status, got.body, want.status, want.body)
		}
	}
}

func TestConditionsAndRanges(t *testing.T) {
	n := transfertest.New("c0")
	data := make([]byte, 9<<20+123)
	for i := range data {
		data[i] = byte(rand.IntN(256))
	}
	c := n.Add(data, false)
	s := serve(t, n)
	path := "/ipfs/" + content.CID(c.Root, false)
	whole := get(t, s, "GET", path)
	if whole.status != 200 || whole.body != string(data) {
		t.Fatalf("whole: %d, %d bytes", whole.status, len(whole.body))
	}
	if got := get(t, s, "GET", path, "If-None-Match", whole.header.Get("Etag")); got.status != 304 || got.body != "" {
		t.Errorf("not modified: %d", got.status)
	}
	if got := get(t, s, "HEAD", path); got.status != 200 || got.header.Get("Content-Length") != "9437307" {
		t.Errorf("head: %d, length %s", got.status, got.header.Get("Content-Length"))
	}
	for header, want := range map[string][]byte{
		"bytes=0-0":                data[:1],
		"bytes=4194300-4194310":    data[4194300:4194311],
		"bytes=-5":                 data[len(data)-5:],
		"bytes=9437300-":           data[9437300:],
		"bytes=16383-16385":        data[16383:16386],
		"bytes=100-99999999999999": data[100:],
	} {
		if got := get(t, s, "GET", path, "Range", header); got.status != 206 || got.body != string(want) {
			t.Errorf("%s: %d, %d bytes, want %d", header, got.status, len(got.body), len(want))
		}
	}
	for _, header := range []string{"bytes=9437307-", "bytes=99999999999-", "bytes=5-4"} {
		if got := get(t, s, "GET", path, "Range", header); got.status != 416 {
			t.Errorf("%s: %d", header, got.status)
		}
	}
	if got := get(t, s, "POST", path); got.status != 405 {
		t.Errorf("POST: %d", got.status)
	}
}

// TestLiarsAreNotBelieved has caches that lie: another one is asked; if all lie, no false byte leaves.
func TestLiarsAreNotBelieved(t *testing.T) {
	for name, lie := range map[string]func([]byte) ([]byte, error){
		"flip": transfertest.Flip, "cut": transfertest.Cut, "extend": transfertest.Extend, "nothing": transfertest.Nothing, "down": transfertest.Down,
	} {
		n := transfertest.New("c0", "c1")
		data := bytes.Repeat([]byte("remora"), 20_000)
		c := n.Add(data, false)
		s := serve(t, n)
		path := "/ipfs/" + content.CID(c.Root, false)
		n.Answer["c0"], n.Answer["c1"] = lie, lie
		if got := get(t, s, "GET", path); got.status != 504 || !strings.Contains(got.body, "c0") {
			t.Errorf("%s: all lie: %d %.100q", name, got.status, got.body)
		}
		n.Answer["c1"] = nil
		if got := get(t, s, "GET", path); got.status != 200 || got.body != string(data) {
			t.Errorf("%s: one lies: %d, %d bytes", name, got.status, len(got.body))
		}
	}
}

// TestBrokenTransferIsNoCleanEnd lets the caches fail after the first window: the client must notice.
func TestBrokenTransferIsNoCleanEnd(t *testing.T) {
	n := transfertest.New("c0")
	c := n.Add(make([]byte, 13<<20), false)
	s := serve(t, n)
	var asked atomic.Int64
	n.Answer["c0"] = func(b []byte) ([]byte, error) {
		if asked.Add(1) > 2 {
			return transfertest.Down(b)
		}
		return b, nil
	}
	if got := get(t, s, "GET", "/ipfs/"+content.CID(c.Root, false)); got.status != 200 || got.err == nil || len(got.body) >= 13<<20 {
		t.Errorf("status %d, %d bytes, error %v", got.status, len(got.body), got.err)
	}
}

func TestVerifiedStream(t *testing.T) {
	n := transfertest.New("c0")
	data := bytes.Repeat([]byte("0123456789abcdef"), 400_000)
	c := n.Add(data, false)
	s := serve(t, n)
	path := "/ipfs/" + content.CID(c.Root, false)
	got := get(t, s, "GET", path, "Accept", gateway.VerifiedType, "Range", "bytes=32768-98303")
	if got.status != 200 || got.header.Get(gateway.HeaderLength) != "6400000" {
		t.Fatalf("%d %v", got.status, got.header)
	}
	d, err := content.NewDecoder(strings.NewReader(got.body), c.Root, c.Length, content.Range{Offset: 32768, Length: 65536})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(d); err != nil || !bytes.Equal(b, data[32768:98304]) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	for _, header := range []string{"bytes=0-4194304", "bytes=5-4", "bytes=6400000-6400001", "bytes=-5", "bytes=x-y"} {
		if got := get(t, s, "GET", path, "Accept", gateway.VerifiedType, "Range", header); got.status != 416 {
			t.Errorf("%s: %d", header, got.status)
		}
	}
}
