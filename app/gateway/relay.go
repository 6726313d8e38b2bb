package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/node/limits"
)

// RelayPath is the path of paid deliveries, followed by the address of a cache.
const RelayPath = "/v1/deliveries/"

// ErrAnswered is for a Network to wrap around the error answer of a cache that was reached.
var ErrAnswered = errors.New("the cache answered with an error")

const (
	// maxRelays bounds the relays under way. Each holds a request, its decoded form and an answer, at most 6 MiB: 96 MiB
	// together.
	maxRelays = 16
	// maxOwnRelays bounds those of one address.
	maxOwnRelays = 12
	// relayBodies bounds the bytes of requests in memory, half of it for one address. They are read and checked before a
	// relay takes its slot, so that who sends slowly holds none.
	relayBodies = 32 << 20
	// A client that takes longer to receive is cut off, since it occupies a slot.
	relayWrite = 30 * time.Second
	// relayWait bounds the time for which a request waits for a slot: a client sends several requests at once.
	relayWait = 5 * time.Second
	// maxRelayWaiters bounds the waiting requests, those of one address to a quarter.
	maxRelayWaiters = 256
)

// relay passes requests on to caches and their answers back. It stores nothing and needs no trust: client and cache
// verify each other's signatures, so a relay can only fail to deliver.
type relay struct {
	chain   Chain
	network Network
	slots   *limits.Queue // one per relay under way
	bodies  *limits.Bodies
	hits    *limits.Hits
	wait    time.Duration
	web     *http.Client
	private bool // caches in private networks are asked over the web, too
}

// NewRelay returns a handler for POST under RelayPath, whose pattern names the rest of the path {node}. Anybody can
// register any address: unless private is set, as on chains for development, addresses in private networks are not
// asked over the web. hits, which may be nil, remembers who had to be refused.
func NewRelay(chain Chain, network Network, private bool, hits *limits.Hits) http.Handler {
	return &relay{
		chain: chain, network: network, slots: limits.NewQueue(maxRelays, maxOwnRelays, maxRelayWaiters),
		bodies: limits.NewBodies(relayBodies, relayBodies/2, limits.ClientPace), hits: hits,
		wait: relayWait, web: newWebClient(), private: private,
	}
}

// ServeHTTP relays a request.
func (l *relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := l.relayRequest(w, r); err != nil {
		writeFailure(w, err)
	}
}

// takeSlot waits up to wait for a slot, which the function that it returns gives back.
func (l *relay) takeSlot(ctx context.Context, owner string) (release func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	if !l.slots.EnterQueue(waiting, owner, 1) {
		l.hits.RecordHit("gateway deliveries", owner)
		return nil, newFailure(http.StatusServiceUnavailable, "connect",
			"%d deliveries are under way, or %d of this address: try again later or use another gateway", maxRelays, maxOwnRelays)
	}
	return func() { l.slots.LeaveQueue(owner, 1) }, nil
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
	owner := limits.OwnerOf(r.RemoteAddr)
	request, free, err := l.readRequest(w, r, owner)
	defer free()
	if err != nil {
		return err
	}
	cache, err := l.findCache(address)
	if err != nil {
		return err
	}
	release, err := l.takeSlot(r.Context(), owner)
	if err != nil {
		return err
	}
	defer release()
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

// readRequest reads the body and checks that it is a delivery request, so that caches are not sent malformed ones. free
// gives its room back.
func (l *relay) readRequest(w http.ResponseWriter, r *http.Request, owner string) (request []byte, free func(), err error) {
	request, free, err = l.bodies.ReadBody(w, r, owner, transfer.MaxDeliveryRequest)
	switch {
	case errors.Is(err, limits.ErrTooLarge):
		return nil, free, tooLargeFailure()
	case errors.Is(err, limits.ErrNoRoom):
		l.hits.RecordHit("gateway request bytes", owner)
		return nil, free, newFailure(http.StatusServiceUnavailable, "connect", "%v: try again later or use another gateway", err)
	case err != nil:
		return nil, free, newFailure(http.StatusBadRequest, "transfer", "read the request: %v", err)
	}
	if _, err := transfer.DecodeDeliveryRequest(request); err != nil {
		return nil, free, newFailure(http.StatusBadRequest, "resolve", "%v", err)
	}
	return request, free, nil
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
