package web_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for: a failure, not a measurement.
const patience = 20 * time.Second

// site is a served handler with small bounds.
type site struct {
	t       *testing.T
	address string
	hits    *limits.Hits
	entered chan struct{} // a request waits or has its body
	leave   chan struct{} // closed: waits end
}

var small = web.Bounds{Connections: 8, Requests: 4, Waits: 2, Subscriptions: 1, BodyBytes: 1 << 20}

func newSite(t *testing.T, bounds web.Bounds) *site {
	t.Helper()
	s := &site{
		t: t, hits: limits.NewHits(time.Now, slog.New(slog.DiscardHandler)), entered: make(chan struct{}, 1000), leave: make(chan struct{}),
	}
	server, err := web.Listen(web.Config{
		Name: "rpc", Listen: "127.0.0.1:0", Bounds: bounds, Hits: s.hits, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.address = server.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, s) }()
	t.Cleanup(func() {
		close(s.leave)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// ServeHTTP implements http.Handler.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := web.ClientOf(r.Context())
	take := map[string]func() (func(), bool){"/wait": c.TakeWait, "/subscribe": c.TakeSubscription}[r.URL.Path]
	switch {
	case take != nil:
		release, ok := take()
		if !ok {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		defer release()
		s.entered <- struct{}{}
		select {
		case <-s.leave:
		case <-r.Context().Done():
		}
	case r.URL.Path == "/busy":
		s.entered <- struct{}{}
		<-s.leave
	case r.URL.Path == "/large":
		block := make([]byte, 1<<20)
		for {
			if _, err := w.Write(block); err != nil {
				s.entered <- struct{}{}
				return
			}
		}
	case r.Method == http.MethodPost:
		body, err := c.ReadBody(w, r, 1<<20)
		switch {
		case errors.Is(err, limits.ErrNoRoom):
			w.WriteHeader(http.StatusTooManyRequests)
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
		default:
			_, _ = fmt.Fprintf(w, "%d", len(body))
		}
	}
}

// dial connects from an address of loopback.
func (s *site) dial(from string) net.Conn {
	s.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(s.t.Context(), "tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *site) send(c net.Conn, text string) {
	s.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
}

// status reads the head and the body of an answer.
func (s *site) status(c net.Conn) (int, http.Header) {
	s.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header
}

func (s *site) get(from, path string) (int, http.Header) {
	s.t.Helper()
	c := s.dial(from)
	s.send(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	status, header := s.status(c)
	_ = c.Close()
	return status, header
}

func (s *site) wantHit(limit, who string) {
	s.t.Helper()
	for _, h := range s.hits.Lately() {
		if h.Limit == limit && h.Who == who {
			return
		}
	}
	s.t.Errorf("nobody names %s by %s: %+v", limit, who, s.hits.Lately())
}

// TestConnectionsOfAnAddress opens far more connections than an address may have, and leaves requests on all of them
// unfinished. Others are served, the address itself learns why it is not, and health is told to both.
func TestConnectionsOfAnAddress(t *testing.T) {
	s := newSite(t, small)
	for range 300 {
		s.send(s.dial("127.0.0.9"), "GET / HTTP/1.1\r\n")
	}
	if status, _ := s.get("127.0.0.1", "/"); status != http.StatusOK {
		t.Errorf("another address gets %d", status)
	}
	if status, header := s.get("127.0.0.9", "/"); status != http.StatusTooManyRequests || header.Get("Retry-After") == "" {
		t.Errorf("the address gets %d, %v", status, header)
	}
	for _, from := range []string{"127.0.0.1", "127.0.0.9"} {
		if status, _ := s.get(from, "/livez"); status != http.StatusOK {
			t.Errorf("health to %s: %d", from, status)
		}
	}
	s.wantHit("rpc connections", "127.0.0.9")
}

// TestConnectionsInAll has many addresses take all connections: health is told all the same.
func TestConnectionsInAll(t *testing.T) {
	s := newSite(t, small)
	for i := range 8 {
		for range 8 {
			s.send(s.dial(fmt.Sprintf("127.0.1.%d", i)), "GET / HTTP/1.1\r\n")
		}
	}
	if status, _ := s.get("127.0.0.1", "/readyz"); status != http.StatusOK {
		t.Errorf("health: %d", status)
	}
	if status, _ := s.get("127.0.0.1", "/"); status != http.StatusTooManyRequests {
		t.Errorf("a request without a place: %d", status)
	}
}

// TestPlacesOfAnAddress fills what one address may have of requests, waits and subscriptions. Waits hold no place of a
// request, and what is given up can be had again.
func TestPlacesOfAnAddress(t *testing.T) {
	for path, places := range map[string]int{"/busy": small.Requests, "/wait": small.Waits, "/subscribe": small.Subscriptions} {
		s := newSite(t, small)
		var held []net.Conn
		for range places {
			c := s.dial("127.0.0.9")
			s.send(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			held = append(held, c)
			<-s.entered
		}
		if status, _ := s.get("127.0.0.9", path); status != http.StatusTooManyRequests {
			t.Errorf("%s: one more gets %d", path, status)
		}
		if status, _ := s.get("127.0.0.1", "/"); status != http.StatusOK {
			t.Errorf("%s: another address gets %d", path, status)
		}
		if status, _ := s.get("127.0.0.9", "/livez"); status != http.StatusOK {
			t.Errorf("%s: health: %d", path, status)
		}
		if path == "/busy" {
			s.wantHit("rpc requests", "127.0.0.9")
			continue
		}
		if status, _ := s.get("127.0.0.9", "/"); status != http.StatusOK {
			t.Errorf("%s: waits hold the places of requests: %d", path, status)
		}
		_ = held[0].Close()
		for deadline := time.Now().Add(patience); ; {
			c := s.dial("127.0.0.9")
			s.send(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			answered := make(chan int, 1)
			go func() {
				if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
					answered <- resp.StatusCode
				}
			}()
			select {
			case <-s.entered:
			case <-answered:
				if time.Now().Before(deadline) {
					continue
				}
				t.Errorf("%s: the place is not free again", path)
			}
			break
		}
	}
}

// TestBodiesHaveABudget announces more bytes than an address may have in flight and sends all but the last: what is beyond
// the budget is refused at once, others have room, small bodies need none, and stalled ones are cut and give theirs back.
func TestBodiesHaveABudget(t *testing.T) {
	bounds := small
	bounds.Connections, bounds.Requests = 100, 100
	s := newSite(t, bounds)
	const size = 128 << 10 // four of them are what an address may have
	head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size)
	var stalled []net.Conn
	for range 4 {
		c := s.dial("127.0.0.9")
		s.send(c, head+strings.Repeat("x", size-1))
		stalled = append(stalled, c)
	}
	refused := func(from string) int {
		c := s.dial(from)
		s.send(c, head+strings.Repeat("x", size))
		status, _ := s.status(c)
		return status
	}
	for deadline := time.Now().Add(2 * time.Second); refused("127.0.0.9") != http.StatusTooManyRequests; {
		if time.Now().After(deadline) {
			t.Fatal("the budget of the address has no end")
		}
	}
	s.wantHit("rpc body bytes", "127.0.0.9")
	if status := refused("127.0.0.1"); status != http.StatusOK {
		t.Errorf("another address gets %d", status)
	}
	c := s.dial("127.0.0.9")
	s.send(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"+strings.Repeat("x", 100))
	if status, _ := s.status(c); status != http.StatusOK {
		t.Errorf("a small body gets %d", status)
	}
	for _, c := range stalled {
		if status, _ := s.status(c); status != http.StatusBadRequest {
			t.Errorf("a stalled body gets %d", status)
		}
	}
	if status := refused("127.0.0.9"); status != http.StatusOK {
		t.Errorf("after the stalled ones were cut: %d", status)
	}
}

// TestSlowReaderIsCut takes nothing of an answer without end: the handler is free again.
func TestSlowReaderIsCut(t *testing.T) {
	s := newSite(t, small)
	c := s.dial("127.0.0.9")
	s.send(c, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case <-s.entered:
	case <-time.After(patience):
		t.Error("the reader holds the handler")
	}
}

// TestChunkedBody reads bodies whose length nobody announced, up to the limit and beyond it.
func TestChunkedBody(t *testing.T) {
	bounds := small
	bounds.BodyBytes = 8 << 20
	s := newSite(t, bounds)
	for size, want := range map[int]int{0: 200, 100: 200, 300 << 10: 200, 1 << 20: 200, 1<<20 + 1: 400} {
		body := io.MultiReader(bytes.NewReader(make([]byte, size))) // hides the length
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.address+"/", body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = -1
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			if want == 200 {
				t.Errorf("%d bytes: %v", size, err)
			}
			continue // cut off while it sent too much
		}
		answer, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != want || want == 200 && string(answer) != fmt.Sprint(size) {
			t.Errorf("%d bytes: %d %s, %v", size, resp.StatusCode, answer, err)
		}
	}
}
