package rpc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/node/rpc"
)

// do sends a request as it is and returns status and body.
func (f *fixture) do(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (f *fixture) request(t *testing.T, method, path string, body io.Reader, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestBadHTTP(t *testing.T) {
	f := serve(t, "dev-http")
	f.Block()
	const asJSON, asBytes = "application/json", "application/octet-stream"
	status := `{"jsonrpc":"2.0","id":1,"method":"status"}`
	tests := []struct {
		name, method, path, body string
		header                   []string
		status                   int
		code                     string
	}{
		{"other host", "GET", "/v1/status", "", []string{"Host", "evil.example"}, 403, "FORBIDDEN_ORIGIN"},
		{"host that begins alike", "GET", "/v1/status", "", []string{"Host", "localhost.evil.example:80"}, 403, "FORBIDDEN_ORIGIN"},
		{"other origin", "POST", "/", status, []string{"Origin", "http://evil.example", "Content-Type", asJSON}, 403, "FORBIDDEN_ORIGIN"},
		{"opaque origin", "POST", "/", status, []string{"Origin", "null", "Content-Type", asJSON}, 403, "FORBIDDEN_ORIGIN"},
		{"form of a web page", "POST", "/", status, []string{"Content-Type", "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"no media type", "POST", "/", status, nil, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"gzip", "POST", "/", "\x1f\x8b", []string{"Content-Type", asJSON, "Content-Encoding", "gzip"}, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"large body", "POST", "/", strings.Repeat(" ", 1<<20+1), []string{"Content-Type", asJSON}, 413, "TOO_LARGE"},
		{"body of a read", "GET", "/v1/status", "{}", nil, 400, "BAD_REQUEST"},
		{"unknown path", "GET", "/v2/status", "", nil, 404, "NOT_FOUND"},
		{"private path", "GET", "/debug/pprof/", "", nil, 404, "NOT_FOUND"},
		{"read by post", "POST", "/v1/status", "", nil, 405, "METHOD_NOT_ALLOWED"},
		{"call by get", "GET", "/", "", nil, 405, "METHOD_NOT_ALLOWED"},
		{"delete", "DELETE", "/v1/blocks/1", "", nil, 405, "METHOD_NOT_ALLOWED"},
		{"height -1", "GET", "/v1/blocks/-1", "", nil, 400, "BAD_REQUEST"},
		{"height 1e3", "GET", "/v1/blocks/1e3", "", nil, 400, "BAD_REQUEST"},
		{"height 2^64", "GET", "/v1/blocks/18446744073709551616", "", nil, 400, "BAD_REQUEST"},
		{"height 2^64-1", "GET", "/v1/blocks/18446744073709551615", "", nil, 404, "NOT_FOUND"},
		{"height 0", "GET", "/v1/blocks/0/proof", "", nil, 404, "NOT_FOUND"},
		{"uncertified", "GET", "/v1/blocks/1/certified", "", nil, 409, "NOT_CERTIFIED"},
		{"uncertified range", "GET", "/v1/blocks?from=1&to=1", "", nil, 409, "NOT_CERTIFIED"},
		{"range from 0", "GET", "/v1/blocks?from=0&to=1", "", nil, 400, "BAD_REQUEST"},
		{"range backwards", "GET", "/v1/blocks?from=2&to=1", "", nil, 400, "BAD_REQUEST"},
		{"range without end", "GET", "/v1/blocks?from=2", "", nil, 400, "BAD_REQUEST"},
		{"wait too long", "GET", "/v1/blocks/1/proof?wait=30001", "", nil, 400, "BAD_REQUEST"},
		{"negative wait", "GET", "/v1/blocks/1/proof?wait=-1", "", nil, 400, "BAD_REQUEST"},
		{"short address", "GET", "/v1/accounts/abcd", "", nil, 400, "BAD_REQUEST"},
		{"upper-case address", "GET", "/v1/accounts/" + strings.Repeat("AB", 32), "", nil, 400, "BAD_REQUEST"},
		{"prove perhaps", "GET", "/v1/accounts/" + strings.Repeat("ab", 32) + "?prove=perhaps", "", nil, 400, "BAD_REQUEST"},
		{"odd hash", "GET", "/v1/txs/abc", "", nil, 400, "BAD_REQUEST"},
		{"page of 0", "GET", "/v1/nodes?limit=0", "", nil, 400, "BAD_REQUEST"},
		{"page of 10^9", "GET", "/v1/nodes?limit=1000000000", "", nil, 400, "BAD_REQUEST"},
		{"page after nothing", "GET", "/v1/nodes?after=x", "", nil, 400, "BAD_REQUEST"},
		{"events from -1", "GET", "/v1/events?from=-1", "", nil, 400, "BAD_REQUEST"},
		{"no transactions", "POST", "/v1/txs", "", []string{"Content-Type", asBytes}, 400, "BAD_REQUEST"},
		{"half a length", "POST", "/v1/txs", "\x00\x00", []string{"Content-Type", asBytes}, 400, "BAD_REQUEST"},
		{"length beyond the body", "POST", "/v1/txs", "\x00\x00\x00\x05abcd", []string{"Content-Type", asBytes}, 400, "BAD_REQUEST"},
		{"length 2^32-1", "POST", "/v1/txs", "\xff\xff\xff\xffabcd", []string{"Content-Type", asBytes}, 400, "BAD_REQUEST"},
		{"too many", "POST", "/v1/txs", strings.Repeat("\x00\x00\x00\x00", 1<<14+1), []string{"Content-Type", asBytes}, 413, "TOO_LARGE"},
		{"transactions as JSON", "POST", "/v1/txs", "[]", []string{"Content-Type", asJSON}, 415, "UNSUPPORTED_MEDIA_TYPE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var body io.Reader
			if tt.body != "" {
				body = strings.NewReader(tt.body)
			}
			status, text := f.do(t, f.request(t, tt.method, tt.path, body, tt.header...))
			var doc struct {
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal([]byte(text), &doc); err != nil {
				t.Fatalf("%d %q: %v", status, text, err)
			}
			if status != tt.status || doc.Error.Code != tt.code || doc.Error.Message == "" {
				t.Errorf("got %d %s, want %d %s", status, text, tt.status, tt.code)
			}
		})
	}
}

// TestGoodSources are the hosts and origins that a node on loopback answers.
func TestGoodSources(t *testing.T) {
	f := serve(t, "dev-source")
	for _, header := range [][]string{
		{"Host", "localhost"},
		{"Host", "localhost:1"},
		{"Host", "127.0.0.1:4240"},
		{"Host", "[::1]:4240"},
		{"Host", "127.9.8.7:4240"},
		{"Host", "localhost:4240", "Origin", "http://127.0.0.1:9999"},
	} {
		if status, text := f.do(t, f.request(t, "GET", "/v1/status", nil, header...)); status != 200 {
			t.Errorf("%v: %d %s", header, status, text)
		}
	}
}

// TestHostsOfOtherListeners calls the API through a listener that is not bound to loopback, as that of a gateway: its names
// are its own, and a page from elsewhere is refused all the same.
func TestHostsOfOtherListeners(t *testing.T) {
	f := serve(t, "dev-public")
	public := httptest.NewServer(f.server.Handler())
	defer public.Close()
	for origin, want := range map[string]int{"": 200, "http://gw.example:4220": 200, "http://evil.example": 403, "http://localhost": 403} {
		r := f.request(t, "GET", "/v1/status", nil, "Host", "gw.example:4220")
		r.URL.Host = public.Listener.Addr().String()
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		if status, text := f.do(t, r); status != want {
			t.Errorf("origin %q: %d %s, want %d", origin, status, text, want)
		}
	}
}

// TestManyValues sends bodies of many tiny values, in one call and spread over a batch: they are refused for their number,
// before anything is built of them.
func TestManyValues(t *testing.T) {
	f := serve(t, "dev-values")
	ones := func(n int) string { return "[" + strings.Repeat("1,", n) + "1]" }
	for name, body := range map[string]string{
		"one call": "[" + ones(500_000) + "]",
		"a batch":  "[" + strings.Repeat(ones(8_000)+",", 60) + "1]",
	} {
		status, text := f.do(t, f.request(t, "POST", "/", strings.NewReader(body), "Content-Type", "application/json"))
		if status != 200 || !strings.Contains(text, "too many values") {
			t.Errorf("%s: %d %.200s", name, status, text)
		}
	}
}

// TestUnboundedBody sends chunks without an end in sight.
func TestUnboundedBody(t *testing.T) {
	f := serve(t, "dev-chunks")
	endless := io.MultiReader(strings.NewReader("["), io.LimitReader(spaces{}, 16<<20))
	r := f.request(t, "POST", "/", endless, "Content-Type", "application/json")
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return // the server may have closed the connection before all was sent
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

type spaces struct{}

// Read implements io.Reader.
func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestLargeHeader(t *testing.T) {
	f := serve(t, "dev-header")
	r := f.request(t, "GET", "/v1/status", nil, "X-Large", strings.Repeat("x", 64<<10))
	if status, _ := f.do(t, r); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", status)
	}
}

// TestBodyCutOff closes the connection in the middle of a body; the server must go on.
func TestBodyCutOff(t *testing.T) {
	f := serve(t, "dev-cut")
	c, err := net.Dial("tcp", strings.TrimPrefix(f.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprint(c, "POST /v1/txs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\n\x00\x00\x00\x60half")
	if err := errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Client.Status(t.Context()); err != nil {
		t.Error(err)
	}
	if owed, _, err := f.Store.Unexecuted(0); err != nil || len(owed) > 0 {
		t.Errorf("taken from half a body: %v, %v", owed, err)
	}
}

func TestPanicIsContained(t *testing.T) {
	f := serve(t, "dev-panic")
	f.with(func(f *fixture) { f.panics = true })
	if _, err := f.Client.Status(t.Context()); client.CodeOf(err) != client.CodeInternal {
		t.Errorf("got %v, want INTERNAL", err)
	}
	f.with(func(f *fixture) { f.panics = false })
	if _, err := f.Client.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestHealth(t *testing.T) {
	f := serve(t, "dev-health")
	f.with(func(f *fixture) { f.ready, f.reasons = false, []string{"no quorum of peers"} })
	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/healthz": 200, "/openapi.json": 200} {
		status, text := f.do(t, f.request(t, "GET", path, nil))
		if status != want {
			t.Errorf("%s: %d %s, want %d", path, status, text, want)
		}
		if path == "/readyz" && !strings.Contains(text, "no quorum of peers") {
			t.Errorf("%s says %s", path, text)
		}
	}
	f.with(func(f *fixture) { f.ready, f.reasons = true, nil })
	if status, text := f.do(t, f.request(t, "GET", "/readyz", nil)); status != 200 || !strings.Contains(text, `"reasons":[]`) {
		t.Errorf("/readyz: %d %s", status, text)
	}
}

// TestSubscribersAreBounded fills the places for subscribers of one address; one that leaves makes room. The status names who
// is held to the limit.
func TestSubscribersAreBounded(t *testing.T) {
	f := serve(t, "dev-subscribers")
	transport := &http.Transport{DisableKeepAlives: true}
	var bodies []io.Closer
	open := func() int {
		resp, err := transport.RoundTrip(f.request(t, "GET", "/v1/events", nil))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, resp.Body)
		return resp.StatusCode
	}
	for i := range 64 {
		if status := open(); status != 200 {
			t.Fatalf("subscriber %d: %d", i, status)
		}
	}
	if status := open(); status != http.StatusTooManyRequests {
		t.Errorf("one more: %d", status)
	}
	s, err := f.Client.Status(t.Context())
	if err != nil || len(s.Limits) != 1 || s.Limits[0].Limit != "rpc subscriptions" || s.Limits[0].Who != "127.0.0.1" {
		t.Errorf("limits %+v, %v", s.Limits, err)
	}
	for _, b := range bodies {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	for open() == http.StatusTooManyRequests { // until the server has noticed
		if err := bodies[len(bodies)-1].Close(); err != nil {
			t.Error(err)
		}
	}
	if err := bodies[len(bodies)-1].Close(); err != nil {
		t.Error(err)
	}
}

// TestStopsWithSubscribers ends the server while requests are held.
func TestStopsWithSubscribers(t *testing.T) {
	var ended chan error
	t.Run("serve", func(t *testing.T) {
		f := serve(t, "dev-stop")
		c, err := client.New(f.URL)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		ended = make(chan error, 2)
		f.Block()
		started := make(chan struct{})
		go func() {
			var last error
			for e, err := range c.Events(context.Background(), 1) {
				if last = err; e.Height == 1 {
					close(started)
				}
			}
			ended <- last
		}()
		<-started
	})
	if err := <-ended; !errors.Is(err, client.ErrAnswer) && err == nil {
		t.Errorf("the stream ended with %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	f := serve(t, "dev-port")
	address := strings.TrimPrefix(f.URL, "http://")
	_, err := rpc.New(rpc.Config{
		Listen: address, Genesis: f.Genesis, Store: f.Store, Head: f.Head, Door: openDoor(t, f.Chain, f.Submit),
		Status: f.status, Ready: f.readiness, Logger: slog.New(slog.DiscardHandler),
	})
	if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), fmt.Sprintf("process %d (", os.Getpid())) {
		t.Errorf("got %v", err)
	}
	if _, err := rpc.New(rpc.Config{Listen: address}); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("without the rest: %v", err)
	}
}

// TestFrames sends a body of many transactions as a load generator does.
func TestFrames(t *testing.T) {
	f := serve(t, "dev-frames")
	var body []byte
	for i := range 900 {
		tx := remora.EncodeOpaque(bytes.Repeat([]byte{byte(i)}, 512))
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(tx))), tx...)
	}
	got, err := f.Client.SendFramed(t.Context(), body, 900)
	if err != nil || len(got.Tx) != 900 || len(got.Batches) != 1 || len(got.Rejected) != 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if _, err := f.Client.SendTxs(t.Context(), make([][]byte, client.MaxSubmitTxs+1)); !errors.Is(err, remora.ErrTooLarge) {
		t.Errorf("too many: %v", err)
	}
}

func TestProofWaitsForCertificate(t *testing.T) {
	f := serve(t, "dev-first")
	f.Block()
	got := make(chan error, 1)
	go func() {
		_, err := f.Client.BlockProof(t.Context(), 1, replaytest.Patience)
		got <- err
	}()
	f.Certify(1)
	if err := <-got; err != nil {
		t.Error(err)
	}
}
