package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/app/transfer/transfertest"
)

// overWire is the answer of the chain's network where the web gives none.
var overWire = append((&transfer.DeliveryHead{Epoch: 9}).Encode(), "over the wire"...)

var errStatus = errors.New("status")

// relayOf serves a relay to a cache with the given web handler, and returns its answer to an ordinary request.
func relayOf(t *testing.T, private bool, web http.HandlerFunc) ([]byte, error) {
	t.Helper()
	cache := httptest.NewServer(web)
	defer cache.Close()
	n := &wire{transfertest.New("c0"), func(context.Context, transfer.Cache, []byte) ([]byte, error) { return overWire, nil }}
	caches, err := n.Caches()
	if err != nil {
		t.Fatal(err)
	}
	caches[0].Addrs = []string{"/ip4/127.0.0.1/tcp/" + cache.URL[strings.LastIndex(cache.URL, ":")+1:] + "/http"}
	mux := http.NewServeMux()
	mux.Handle("POST "+gateway.RelayPath+"{node}", gateway.NewRelay(n, n, private, nil))
	relay := httptest.NewServer(mux)
	defer relay.Close()
	ask, err := http.NewRequestWithContext(t.Context(), http.MethodPost, relay.URL+gateway.RelayPath+caches[0].Address.String(), bytes.NewReader(ordinary()))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(ask)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w %d", errStatus, answer.StatusCode)
	}
	return io.ReadAll(answer.Body)
}

// TestRelayOverTheWeb passes on the answer of a cache's web side, and asks over the chain's network if that is not
// usable.
func TestRelayOverTheWeb(t *testing.T) {
	size := func(w http.ResponseWriter, n int) { w.Header().Set("Content-Length", strconv.Itoa(n)) }
	for name, tt := range map[string]struct {
		private bool
		web     http.HandlerFunc
		want    []byte
	}{
		"answers": {true, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if !bytes.Equal(body, ordinary()) || !strings.HasSuffix(r.URL.Path, remora.Address{1}.String()) {
				t.Errorf("asked %s with %d bytes", r.URL.Path, len(body))
			}
			size(w, len(delivered()))
			_, _ = w.Write(delivered())
		}, delivered()},
		"fails":      {true, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, overWire},
		"redirects":  {true, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, overWire},
		"is endless": {true, func(w http.ResponseWriter, _ *http.Request) { size(w, 1<<40) }, overWire},
		"has no size": {true, func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
		}, overWire},
		"is private": {false, func(http.ResponseWriter, *http.Request) { t.Error("asked within a private network") }, overWire},
	} {
		if got, err := relayOf(t, tt.private, tt.web); err != nil || !bytes.Equal(got, tt.want) {
			t.Errorf("a cache whose web side %s: %q, %v", name, got, err)
		}
	}
}

// TestRelayCutOff ends a broken-off answer with an error, not as a short body.
func TestRelayCutOff(t *testing.T) {
	got, err := relayOf(t, true, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write(delivered())
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(err.Error(), "EOF") {
		t.Errorf("%d bytes and %v", len(got), err)
	}
}

// TestRelayAsksOnce does not repeat a request that the cache may have taken: it would count twice against the window.
func TestRelayAsksOnce(t *testing.T) {
	got, err := relayOf(t, true, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if !errors.Is(err, errStatus) || err.Error() != "status 504" {
		t.Errorf("%q and %v", got, err)
	}
}
