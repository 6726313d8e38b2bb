package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/app/transfer/transfertest"
	"github.com/remora-network/remora/proofs/content"
)

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

func escape(name string) string { return url.PathEscape(name) }

// stalling is a network in which some caches accept requests and never answer.
type stalling struct {
	*transfertest.Network
	mu    sync.Mutex
	asked map[string]int
	after map[string]int // answers before a cache stalls; without an entry it does not
}

// Ask implements gateway.Network.
func (s *stalling) Ask(ctx context.Context, c transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error) {
	s.mu.Lock()
	s.asked[c.Name]++
	after, stalls := s.after[c.Name]
	stalls = stalls && s.asked[c.Name] > after
	s.mu.Unlock()
	if stalls {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Network.Ask(ctx, c, protocol, request, maxAnswer)
}

func newStalling(names ...string) *stalling {
	return &stalling{Network: transfertest.New(names...), asked: map[string]int{}, after: map[string]int{}}
}

// direct calls a gateway without a connection, so that time can be simulated. cut reports whether it aborted the
// connection.
func direct(t *testing.T, g *gateway.Gateway, path string) (w *httptest.ResponseRecorder, cut bool) {
	t.Helper()
	w = httptest.NewRecorder()
	defer func() {
		if err, _ := recover().(error); err != nil {
			cut = errors.Is(err, http.ErrAbortHandler)
		}
	}()
	g.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w, false
}

// simulate runs a test of a gateway in simulated time.
func simulate(t *testing.T, n *stalling, test func(t *testing.T, g *gateway.Gateway)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(t.TempDir(), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		g := gateway.New(n, n, st, slog.New(slog.DiscardHandler), nil)
		defer func() {
			g.Close()
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(t, g)
	})
}

func TestUnknownIsAnsweredInTime(t *testing.T) {
	simulate(t, newStalling("c0"), func(t *testing.T, g *gateway.Gateway) {
		began := time.Now()
		w, _ := direct(t, g, "/ipfs/"+content.CID(remora.Hash{5}, false))
		if took := time.Since(began); w.Code != 404 || took != gateway.IndexWait || !strings.Contains(w.Body.String(), `"index"`) {
			t.Errorf("%d after %s: %s", w.Code, took, w.Body)
		}
	})
}

// TestStalledCaches lets all caches, or the first choices, accept requests and never answer.
func TestStalledCaches(t *testing.T) {
	names := []string{"c0", "c1", "c2", "c3", "c4"}
	for stalled := 1; stalled <= len(names); stalled++ {
		n := newStalling(names...)
		data := random(t, 50_000)
		c := n.Add(data, false)
		var addresses []remora.Address
		for i := range names {
			addresses = append(addresses, remora.Address{byte(i + 1)})
		}
		for _, a := range remora.Assign(c.Root, addresses, stalled) {
			n.after[names[a[0]-1]] = 0
		}
		simulate(t, n, func(t *testing.T, g *gateway.Gateway) {
			began := time.Now()
			w, cut := direct(t, g, "/ipfs/"+content.CID(c.Root, false))
			took := time.Since(began)
			if stalled == len(names) {
				for _, name := range names {
					if !strings.Contains(w.Body.String(), name) {
						t.Errorf("%s is not named: %s", name, w.Body)
					}
				}
				if w.Code != 504 || took > gateway.HuntTimeout || !strings.Contains(w.Body.String(), `"transfer"`) {
					t.Errorf("all stall: %d after %s: %s", w.Code, took, w.Body)
				}
				return
			}
			limit := time.Duration(stalled) * gateway.HedgeAfter
			if stalled > 2 { // three are asked at a time
				limit = 12 * time.Second
			}
			if cut || w.Code != 200 || !bytes.Equal(w.Body.Bytes(), data) || took > limit {
				t.Errorf("%d stall: %d, %d bytes after %s", stalled, w.Code, w.Body.Len(), took)
			}
		})
	}
}

// TestStallInTheMiddle lets the only cache stall after the response has begun: the response is cut off, not ended
// cleanly.
func TestStallInTheMiddle(t *testing.T) {
	n := newStalling("c0")
	c := n.Add(make([]byte, 13<<20), false)
	n.after["c0"] = 2
	simulate(t, n, func(t *testing.T, g *gateway.Gateway) {
		w, cut := direct(t, g, "/ipfs/"+content.CID(c.Root, false))
		if w.Code != 200 || !cut || w.Body.Len() == 0 || w.Body.Len() >= 13<<20 {
			t.Errorf("%d, cut %t, %d bytes", w.Code, cut, w.Body.Len())
		}
	})
}

// TestBusyGateway has an address hold all the memory that it may: another one is served. When there is no memory left, a
// response that does not fit is refused, until there is some again.
func TestBusyGateway(t *testing.T) {
	n := newStalling("c0")
	c := n.Add([]byte("x"), false)
	simulate(t, n, func(t *testing.T, g *gateway.Gateway) {
		if !g.Occupy(t.Context(), "10.0.0.1") {
			t.Fatal("no memory for the first")
		}
		if w, _ := direct(t, g, "/ipfs/"+content.CID(c.Root, false)); w.Code != 200 {
			t.Errorf("another address: %d", w.Code)
		}
		if !g.Occupy(t.Context(), "10.0.0.2") {
			t.Fatal("no memory for the second")
		}
		w, _ := direct(t, g, "/ipfs/"+content.CID(c.Root, false))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		g.Vacate("10.0.0.1")
		if w, _ := direct(t, g, "/ipfs/"+content.CID(c.Root, false)); w.Code != 200 {
			t.Errorf("afterwards: %d", w.Code)
		}
	})
}

// TestOtherContentIsNotServed has a cache deliver valid streams of other content and of another range.
func TestOtherContentIsNotServed(t *testing.T) {
	for name, change := range map[string]func(r *transfer.ContentRequest, other remora.Content){
		"content": func(r *transfer.ContentRequest, other remora.Content) { r.Root = other.Root },
		"range":   func(r *transfer.ContentRequest, _ remora.Content) { r.Offset += 1 << 20 },
		"less":    func(r *transfer.ContentRequest, _ remora.Content) { r.Bytes /= 2 },
		"more":    func(r *transfer.ContentRequest, _ remora.Content) { r.Bytes = 5 << 20 },
	} {
		n := transfertest.New("c0")
		c, other := n.Add(random(t, 9<<20), false), n.Add(random(t, 9<<20), false)
		liar := askFunc(func(ctx context.Context, cache transfer.Cache, protocol string, request []byte, _ int) ([]byte, error) {
			r, err := transfer.DecodeContentRequest(request)
			if err != nil {
				return nil, err
			}
			change(r, other)
			if r.Bytes > transfer.MaxRange { // beyond what a request may ask for: two answers in one
				return bytes.Repeat([]byte{1}, int(r.Bytes)), nil
			}
			return n.Ask(ctx, cache, protocol, remora.Encode(r), transfer.MaxAnswer)
		})
		st, err := store.Open(t.TempDir(), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		g := gateway.New(n, liar, st, slog.New(slog.DiscardHandler), nil)
		w, cut := direct(t, g, "/ipfs/"+content.CID(c.Root, false))
		if cut || w.Code != 504 || !strings.Contains(w.Body.String(), `"verify"`) || !strings.Contains(w.Body.String(), "c0") {
			t.Errorf("%s: %d, cut %t, %.200s", name, w.Code, cut, w.Body)
		}
		g.Close()
		if _, held := st.Length(c.Root); held || st.Close() != nil {
			t.Errorf("%s: kept", name)
		}
	}
}

type askFunc func(ctx context.Context, c transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error)

// Ask implements gateway.Network.
func (f askFunc) Ask(ctx context.Context, c transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error) {
	return f(ctx, c, protocol, request, maxAnswer)
}

// TestHangUps has many clients disconnect at different bytes. No goroutine is left (see TestMain), and later clients
// get everything.
func TestHangUps(t *testing.T) {
	n := transfertest.New("c0", "c1")
	data := random(t, 9<<20)
	c := n.Add(data, false)
	s := serve(t, n)
	path := "/ipfs/" + content.CID(c.Root, false)
	var group errgroup.Group
	group.SetLimit(6)
	for i := range 48 {
		group.Go(func() error {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
			if err != nil {
				return err
			}
			resp, err := s.Client().Do(r)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.CopyN(io.Discard, resp.Body, int64(i*i*3000))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if got := get(t, s, "GET", path); got.status != 200 || got.err != nil || got.body != string(data) {
		t.Errorf("afterwards: %d, %d bytes, %v", got.status, len(got.body), got.err)
	}
}

// TestClientThatTakesNothing requests much and reads nothing: the gateway gives up on it.
func TestClientThatTakesNothing(t *testing.T) {
	n := transfertest.New("c0")
	c := n.Add(make([]byte, 64<<20), false)
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := gateway.New(n, n, st, slog.New(slog.DiscardHandler), nil)
	g.SetPatience(50 * time.Millisecond)
	ended := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		g.ServeHTTP(w, r)
	}))
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /ipfs/"+content.CID(c.Root, false)+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Error("the gateway waits for it for ever")
	}
	conn.Close()
	s.Close()
	g.Close()
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}
