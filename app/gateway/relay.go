package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
)

// RelayPath is where clients send requests for deliveries that they pay for, followed by the address of a cache.
const RelayPath = "/v1/deliveries/"

// ErrAnswered is for a Network to wrap around the error answer of a cache that was reached.
var ErrAnswered = errors.New("the cache answered with an error")

const (
	// maxRelays bounds the relays under way: each holds a request, what checking it takes and an answer, at most 6 MiB, so
	// all of them 96 MiB.
	maxRelays = 16
	// maxRelayAnswer is a verified stream with the head in front of it.
	maxRelayAnswer = transfer.MaxAnswer + 4<<10
	// A client that is slow to speak or to listen is cut off: it would keep others out.
	relayRead  = 5 * time.Second
	relayWrite = 30 * time.Second
	// relayWait is how long a request waits for others to end: a client sends several at once, and few wait long.
	relayWait = 5 * time.Second
	// maxRelayWaiters bounds the requests that wait. They hold nothing but their connection.
	maxRelayWaiters = 256
)

// relay passes requests on to caches and their answers back. It keeps nothing and trusts nobody: client and cache check
// each other by what they signed, and who stands between can only fail to deliver.
type relay struct {
	index   Index
	network Network
	slots   chan struct{} // one per relay under way
	waiters chan struct{} // one per request under way or waiting
	wait    time.Duration
	web     *http.Client
	private bool // caches of private networks are asked over the web, too
}

// NewRelay returns a handler for POST under RelayPath, whose pattern names the rest of the path {node}. Addresses in the
// registry are anybody's to choose: unless private is set, as on chains for development, none within a private network is
// asked over the web.
func NewRelay(index Index, network Network, private bool) http.Handler {
	return &relay{
		index: index, network: network, slots: make(chan struct{}, maxRelays),
		waiters: make(chan struct{}, maxRelays+maxRelayWaiters), wait: relayWait, web: newWebClient(), private: private,
	}
}

// enter reports whether a relay may begin, waiting its turn. Who may leaves again.
func (l *relay) enter(ctx context.Context) bool {
	select {
	case l.waiters <- struct{}{}:
	default:
		return false
	}
	turn, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	select {
	case l.slots <- struct{}{}:
		return true
	case <-turn.Done():
		<-l.waiters
		return false
	}
}

func (l *relay) leave() {
	<-l.slots
	<-l.waiters
}

// ServeHTTP relays a request.
func (l *relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !l.enter(r.Context()) {
		w.Header().Set("Retry-After", "1")
		report(w, failed(http.StatusServiceUnavailable, "connect", "%d deliveries are under way already: try again, or through another gateway", maxRelays))
		return
	}
	defer l.leave()
	if err := l.relay(w, r); err != nil {
		report(w, err)
	}
}

// reply starts an answer of a size.
func reply(w http.ResponseWriter, size int64) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	// What cannot have a deadline is no connection.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(relayWrite))
}

// relay answers, or returns why it cannot before anything is written.
func (l *relay) relay(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return failed(http.StatusMethodNotAllowed, "resolve", "%.16q, want POST", r.Method)
	}
	address, err := remora.ParseAddress(r.PathValue("node"))
	if err != nil {
		return failed(http.StatusBadRequest, "resolve", "cache: %v", err)
	}
	request, err := readRequest(w, r)
	if err != nil {
		return err
	}
	cache, err := l.find(address)
	if err != nil {
		return err
	}
	if taken, err := l.direct(w, r, cache, request); taken {
		return err
	}
	answer, err := l.ask(r.Context(), cache, request)
	if err != nil {
		return err
	}
	reply(w, int64(len(answer)))
	_, _ = w.Write(answer) // the client is gone if it fails
	return nil
}

// readRequest reads the body and sees to it that it is a request, so that caches are not asked for nonsense.
func readRequest(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > transfer.MaxDeliveryRequest {
		return nil, tooLarge()
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(relayRead)) // what cannot have one is no connection
	body := bytes.NewBuffer(make([]byte, 0, max(r.ContentLength, 0)+bytes.MinRead))
	var over *http.MaxBytesError
	switch _, err := io.Copy(body, http.MaxBytesReader(w, r.Body, transfer.MaxDeliveryRequest)); {
	case errors.As(err, &over):
		return nil, tooLarge()
	case err != nil:
		return nil, failed(http.StatusBadRequest, "transfer", "read the request: %v", err)
	}
	if _, err := transfer.DecodeDeliveryRequest(body.Bytes()); err != nil {
		return nil, failed(http.StatusBadRequest, "resolve", "%v", err)
	}
	return body.Bytes(), nil
}

func tooLarge() error {
	return failed(http.StatusRequestEntityTooLarge, "resolve", "a request of more than %d bytes: acknowledge fewer extents at a time", transfer.MaxDeliveryRequest)
}

// find returns the registered cache with an address.
func (l *relay) find(address remora.Address) (transfer.Cache, error) {
	caches, err := l.index.Caches()
	if err != nil {
		return transfer.Cache{}, failed(http.StatusBadGateway, "index", "read the registry: %v", err)
	}
	for _, c := range caches {
		if c.Address == address {
			return c, nil
		}
	}
	return transfer.Cache{}, failed(http.StatusNotFound, "index", "no cache %s is registered on the chain", address)
}

func (l *relay) ask(ctx context.Context, cache transfer.Cache, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := l.network.Ask(ctx, cache, transfer.AskDelivery, request, maxRelayAnswer)
	f := failed(http.StatusGatewayTimeout, "connect", "cache %.64s: %v", cache.Name, err)
	f.tried = []string{cache.Name}
	switch {
	case errors.Is(err, ErrAnswered):
		f.status, f.phase = http.StatusBadGateway, "transfer"
		return nil, f
	case err != nil:
		return nil, f
	}
	if _, _, err := transfer.DecodeDelivery(answer); err != nil {
		f.status, f.phase, f.reason = http.StatusBadGateway, "transfer", err.Error()
		return nil, f
	}
	return answer, nil
}
