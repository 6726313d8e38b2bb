package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/app/transfer/transfertest"
)

// wire is a network with one cache, whose answers the test provides.
type wire struct {
	*transfertest.Network
	answer func(ctx context.Context, c transfer.Cache, request []byte) ([]byte, error)
}

func (w *wire) Ask(ctx context.Context, c transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error) {
	if protocol != transfer.AskDelivery || maxAnswer < transfer.MaxAnswer+1<<10 {
		return nil, fmt.Errorf("asked %s for %d bytes: %w", protocol, maxAnswer, remora.ErrInvalid)
	}
	if _, limited := ctx.Deadline(); !limited {
		return nil, errors.New("asked without an end")
	}
	return w.answer(ctx, c, request)
}

func newRelay(answer func(ctx context.Context, c transfer.Cache, request []byte) ([]byte, error)) http.Handler {
	n := &wire{transfertest.New("c0", "c1"), answer}
	mux := http.NewServeMux()
	mux.Handle("POST "+gateway.RelayPath+"{node}", gateway.NewHurriedRelay(n, n))
	return mux
}

func post(t *testing.T, h http.Handler, node string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, gateway.RelayPath+node, body))
	return w
}

// ordinary is a request that a client could send, and delivered an answer to it.
func ordinary() []byte {
	return remora.Encode(transfer.DeliveryRequest{Session: 1, Content: remora.Content{Length: 5}, Bytes: 5})
}

func delivered() []byte {
	return append((&transfer.DeliveryHead{Epoch: 3}).Encode(), "the stream"...)
}

func TestRelay(t *testing.T) {
	true0, true1 := remora.Address{1}.String(), remora.Address{2}.String()
	full := make([]byte, 0, transfer.MaxDeliveryRequest+1)
	for name, tt := range map[string]struct {
		node   string
		body   []byte
		answer []byte
		err    error
		status int
		phase  string
	}{
		"answered":       {true1, ordinary(), delivered(), nil, 200, ""},
		"no address":     {"c1", ordinary(), nil, nil, 400, "resolve"},
		"unknown cache":  {remora.Address{9}.String(), ordinary(), nil, nil, 404, "index"},
		"no request":     {true0, []byte("junk"), nil, nil, 400, "resolve"},
		"nothing":        {true0, nil, nil, nil, 400, "resolve"},
		"too large":      {true0, full[:cap(full)], nil, nil, 413, "resolve"},
		"unreachable":    {true0, ordinary(), nil, transfertest.ErrUnreachable, 504, "connect"},
		"too slow":       {true0, ordinary(), nil, context.DeadlineExceeded, 504, "connect"},
		"error answer":   {true0, ordinary(), nil, fmt.Errorf("%w: busy", gateway.ErrAnswered), 502, "transfer"},
		"no answer":      {true0, ordinary(), []byte{}, nil, 502, "transfer"},
		"another answer": {true0, ordinary(), []byte("who?"), nil, 502, "transfer"},
	} {
		asked := 0
		h := newRelay(func(_ context.Context, c transfer.Cache, request []byte) ([]byte, error) {
			asked++
			if !bytes.Equal(request, tt.body) || c.Address.String() != tt.node {
				t.Errorf("%s: the cache %s got %d bytes", name, c.Name, len(request))
			}
			return tt.answer, tt.err
		})
		// Once with a length and once without.
		for _, body := range []io.Reader{bytes.NewReader(tt.body), io.MultiReader(bytes.NewReader(tt.body))} {
			w := post(t, h, tt.node, body)
			if w.Code != tt.status {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
			if tt.status == 200 {
				if !bytes.Equal(w.Body.Bytes(), tt.answer) || w.Header().Get("Content-Length") != fmt.Sprint(len(tt.answer)) || w.Header().Get("Content-Type") != "application/octet-stream" {
					t.Errorf("%s: %d bytes, %v", name, w.Body.Len(), w.Header())
				}
				continue
			}
			var f struct {
				Error struct{ Phase, Message string }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil || f.Error.Phase != tt.phase || f.Error.Message == "" {
				t.Errorf("%s: %s", name, w.Body)
			}
		}
		if want := 2; asked != want && (tt.answer != nil || tt.err != nil) {
			t.Errorf("%s: asked %d times", name, asked)
		}
	}
}

func TestRelayOnlyPosts(t *testing.T) {
	n := transfertest.New("c0")
	w := httptest.NewRecorder()
	gateway.NewRelay(n, n, true, nil).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, gateway.RelayPath+"x", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodPost {
		t.Errorf("%d, %v", w.Code, w.Header())
	}
}

// TestRelaysAreBounded has one address send more requests than it may have relayed at a time: the surplus is refused after a
// moment, another address is served. Then all slots are taken, and accepted when others have ended.
func TestRelaysAreBounded(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{})
	var most, now atomic.Int64
	h := newRelay(func(context.Context, transfer.Cache, []byte) ([]byte, error) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		entered <- struct{}{}
		<-release
		return delivered(), nil
	})
	node := remora.Address{1}.String()
	from := func(address string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, gateway.RelayPath+node, bytes.NewReader(ordinary()))
		r.RemoteAddr = address + ":1"
		h.ServeHTTP(w, r)
		return w
	}
	const relays, own = 16, 12
	done := make(chan int, relays)
	hold := func(address string) {
		go func() { done <- from(address).Code }()
		<-entered
	}
	for range own {
		hold("10.0.0.1")
	}
	if w := from("10.0.0.1"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("beyond what an address may have: %d", w.Code)
	}
	for range relays - own {
		hold("10.0.0.2")
	}
	if w := from("10.0.0.3"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("beyond the bound: %d", w.Code)
	}
	close(release)
	for range relays {
		if code := <-done; code != http.StatusOK {
			t.Errorf("relayed: %d", code)
		}
	}
	go func() { <-entered }()
	if w := from("10.0.0.1"); w.Code != http.StatusOK || most.Load() > relays {
		t.Errorf("afterwards: %d; %d at a time", w.Code, most.Load())
	}
}

// TestSlowRequestsHoldNoSlot opens many requests whose bodies do not come: another client of the same address is relayed.
func TestSlowRequestsHoldNoSlot(t *testing.T) {
	server := httptest.NewServer(newRelay(func(context.Context, transfer.Cache, []byte) ([]byte, error) { return delivered(), nil }))
	defer server.Close()
	target := gateway.RelayPath + remora.Address{1}.String()
	for range 50 {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx", target); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := http.Post(server.URL+target, "application/octet-stream", bytes.NewReader(ordinary()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("beside slow requests: %d", resp.StatusCode)
	}
}

func FuzzRelay(f *testing.F) {
	f.Add(remora.Address{1}.String(), ordinary(), delivered())
	f.Add("..", []byte{1}, []byte{0, 9})
	f.Fuzz(func(t *testing.T, node string, body, answer []byte) {
		n := &wire{transfertest.New("c0"), func(context.Context, transfer.Cache, []byte) ([]byte, error) { return answer, nil }}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, gateway.RelayPath, bytes.NewReader(body))
		r.SetPathValue("node", node)
		w := httptest.NewRecorder()
		gateway.NewRelay(n, n, true, nil).ServeHTTP(w, r)
		if w.Code == http.StatusOK && !bytes.Equal(w.Body.Bytes(), answer) {
			t.Error("another answer than the cache's")
		}
	})
}
