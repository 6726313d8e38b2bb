package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
)

// RelayPath is the path of paid deliveries, followed by the address of a cache.
const RelayPath = "/v1/deliveries/"

// ErrAnswered is for a Network to wrap around the error answer of a cache that was reached.
var ErrAnswered = errors.New("the cache answered with an error")

const (
	// maxRelays bounds the relays under way. Each holds a request, its decoded form and an answer, at most 6 MiB: 96 MiB
	// together.
	maxRelays = 16
	// A client that takes longer to send or to receive is cut off, since it occupies a slot.
	relayRead  = 5 * time.Second
	relayWrite = 30 * time.Second
	// relayWait bounds the time for which a request waits for a slot: a client sends several requests at once.
	relayWait = 5 * time.Second
	// maxRelayWaiters bounds the waiting requests. They hold only their connection.
	maxRelayWaiters = 256
)

// relay passes requests on to caches and their answers back. It stores nothing and needs no trust: client and cache
// verify each other's signatures, so a relay can only fail to deliver.
type relay struct {
	chain   Chain
	network Network
	slots   *semaphore.Weighted // one per relay under way
	places  *semaphore.Weighted // one per request under way or waiting
	wait    time.Duration
	web     *http.Client
	private bool // caches in private networks are asked over the web, too
}

// NewRelay returns a handler for POST under RelayPath, whose pattern names the rest of the path {node}. Anybody can
// register any address: unless private is set, as on chains for development, addresses in private networks are not
// asked over the web.
func NewRelay(chain Chain, network Network, private bool) http.Handler {
	return &relay{
		chain: chain, network: network, slots: semaphore.NewWeighted(maxRelays),
		places: semaphore.NewWeighted(maxRelays + maxRelayWaiters), wait: relayWait, web: newWebClient(), private: private,
	}
}

// takeSlot waits up to wait for a slot and reports whether it got one, which releaseSlot gives back.
func (l *relay) takeSlot(ctx context.Context) bool {
	if !l.places.TryAcquire(1) {
		return false
	}
	waiting, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	if l.slots.Acquire(waiting, 1) != nil {
		l.places.Release(1)
		return false
	}
	return true
}

func (l *relay) releaseSlot() {
	l.slots.Release(1)
	l.places.Release(1)
}

// ServeHTTP relays a request.
func (l *relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !l.takeSlot(r.Context()) {
		w.Header().Set("Retry-After", "1")
		writeFailure(w, newFailure(http.StatusServiceUnavailable, "connect", "%d deliveries are under way: try again later or use another gateway", maxRelays))
		return
	}
	defer l.releaseSlot()
	if err := l.relayRequest(w, r); err != nil {
		writeFailure(w, err)
	}
}

// startAnswer writes the headers of an answer of some bytes.
func startAnswer(w http.ResponseWriter, size int64) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	// It fails only where there is no connection, in tests.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(relayWrite))
}

// relayRequest answers, or returns an error before it has written anything.
func (l *relay) relayRequest(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return newFailure(http.StatusMethodNotAllowed, "resolve", "method %.16q: want POST", r.Method)
	}
	address, err := remora.ParseAddress(r.PathValue("node"))
	if err != nil {
		return newFailure(http.StatusBadRequest, "resolve", "cache: %v", err)
	}
	request, err := readRequest(w, r)
	if err != nil {
		return err
	}
	cache, err := l.findCache(address)
	if err != nil {
		return err
	}
	if taken, err := l.relayOverWeb(w, r, cache, request); taken {
		return err
	}
	answer, err := l.askNetwork(r.Context(), cache, request)
	if err != nil {
		return err
	}
	startAnswer(w, int64(len(answer)))
	_, _ = w.Write(answer) // fails only if the client is gone
	return nil
}

// readRequest reads the body and checks that it is a delivery request, so that caches are not sent malformed ones.
func readRequest(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > transfer.MaxDeliveryRequest {
		return nil, tooLargeFailure()
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(relayRead)) // fails only in tests
	body := bytes.NewBuffer(make([]byte, 0, max(r.ContentLength, 0)+bytes.MinRead))
	var over *http.MaxBytesError
	switch _, err := io.Copy(body, http.MaxBytesReader(w, r.Body, transfer.MaxDeliveryRequest)); {
	case errors.As(err, &over):
		return nil, tooLargeFailure()
	case err != nil:
		return nil, newFailure(http.StatusBadRequest, "transfer", "read the request: %v", err)
	}
	if _, err := transfer.DecodeDeliveryRequest(body.Bytes()); err != nil {
		return nil, newFailure(http.StatusBadRequest, "resolve", "%v", err)
	}
	return body.Bytes(), nil
}

func tooLargeFailure() error {
	return newFailure(http.StatusRequestEntityTooLarge, "resolve", "the request has more than %d bytes: acknowledge fewer extents at a time", transfer.MaxDeliveryRequest)
}

// findCache returns the registered cache with an address.
func (l *relay) findCache(address remora.Address) (transfer.Cache, error) {
	caches, err := l.chain.Caches()
	if err != nil {
		return transfer.Cache{}, newFailure(http.StatusBadGateway, "index", "read the registry: %v", err)
	}
	for _, c := range caches {
		if c.Address == address {
			return c, nil
		}
	}
	return transfer.Cache{}, newFailure(http.StatusNotFound, "index", "no cache %s is registered on the chain", address)
}

func (l *relay) askNetwork(ctx context.Context, cache transfer.Cache, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := l.network.Ask(ctx, cache, transfer.AskDelivery, request, transfer.MaxDelivery)
	f := newFailure(http.StatusGatewayTimeout, "connect", "cache %.64s: %v", cache.Name, err)
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
