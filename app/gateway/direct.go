package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/remora-network/remora/app/transfer"
)

const (
	directDial = time.Second
	// directStart bounds the time until a cache's answer begins.
	directStart  = 5 * time.Second
	directBuffer = 256 << 10
)

// newWebClient returns a client for the web side of caches. It follows no redirects and uses no proxy, so that it
// connects only to registered addresses.
func newWebClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: directDial}).DialContext, ResponseHeaderTimeout: directStart,
			MaxIdleConnsPerHost: maxRelays, MaxIdleConns: 4 * maxRelays, IdleConnTimeout: 30 * time.Second,
			DisableCompression: true, ReadBufferSize: directBuffer, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// relayOverWeb relays over the web if the cache serves it, and passes the answer on as it arrives. If the cache did not
// take the request it returns false with nothing written, and the chain's network is tried. A request that the cache
// may have taken is not repeated, because it would count twice against the session's window; the error describes what
// happened.
func (l *relay) relayOverWeb(w http.ResponseWriter, r *http.Request, cache transfer.Cache, request []byte) (taken bool, err error) {
	at, serves := transfer.WebAddress(cache.Addrs)
	if !serves || !l.private && !isPublic(at.Addr()) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	ask, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at.String()+RelayPath+cache.Address.String(), bytes.NewReader(request))
	if err != nil {
		return false, nil
	}
	ask.Header.Set("Content-Type", "application/cbor")
	answer, err := l.web.Do(ask)
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return false, nil
	case err != nil:
		f := newFailure(http.StatusGatewayTimeout, "transfer", "cache %.64s: %v", cache.Name, err)
		f.tried = []string{cache.Name}
		return true, f
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.ContentLength < 0 || answer.ContentLength > transfer.MaxDelivery {
		return false, nil
	}
	startAnswer(w, answer.ContentLength)
	if _, err := io.CopyBuffer(onlyWriter{w}, onlyReader{answer.Body}, make([]byte, directBuffer)); err != nil {
		panic(http.ErrAbortHandler) // a short body must not end cleanly
	}
	return true, nil
}

// isPublic reports whether an address belongs to no private network.
func isPublic(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate()
}

// onlyWriter and onlyReader hide ReadFrom and WriteTo, so that io.CopyBuffer uses its buffer.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
