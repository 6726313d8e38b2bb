package rpc

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/web"
)

// guardHandler wraps every handler: it refuses requests of web pages and recovers from panics.
func (s *Server) guardHandler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.running.TryRLock() {
			return // the server has stopped
		}
		defer s.running.RUnlock()
		defer s.containPanic(w, r)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if err := s.checkSource(r); err != nil {
			writeError(w, err)
			return
		}
		upload := s.Content != nil && r.Method == http.MethodPut
		if r.Method != http.MethodPost && !upload && (r.ContentLength != 0 || len(r.TransferEncoding) > 0) {
			w.Header().Set("Connection", "close")
			writeError(w, badRequest("%s takes no body", r.Method))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) containPanic(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler) // cuts the stream off, so that its reader notices
	}
	s.Logger.ErrorContext(r.Context(), "handler panicked",
		slog.String("path", r.URL.Path), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	writeError(w, newError(http.StatusInternalServerError, client.CodeInternal, "the node failed to answer; its log says why"))
}

// checkSource refuses requests that a web page made a browser send. Whether only names of loopback are answered depends on
// the listener that took the request. The Host header reveals a name that was rebound to this
// machine (DNS rebinding), the Origin header a page from elsewhere.
func (s *Server) checkSource(r *http.Request) *client.Error {
	loopback := web.ClientOf(r.Context()).OnLoopback()
	if loopback && !isLoopbackHost(r.Host) {
		return newError(http.StatusForbidden, client.CodeForbiddenOrigin,
			"host %.80q: a node on loopback answers to localhost and to addresses of loopback", r.Host)
	}
	if origin := r.Header.Get("Origin"); origin != "" && !isOwnOrigin(origin, r.Host, loopback) {
		return newError(http.StatusForbidden, client.CodeForbiddenOrigin, "origin %.80q may not call this node", origin)
	}
	return nil
}

// isOwnOrigin reports whether a page comes from the host that it calls, or both are on loopback.
func isOwnOrigin(origin, host string, loopback bool) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return u.Host == host || loopback && isLoopbackHost(u.Host)
}

func isLoopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}

// readBody reads a body of at most limit bytes and of the given media type, within the budget for bodies.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, media string) ([]byte, *client.Error) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != media {
		return nil, newError(http.StatusUnsupportedMediaType, client.CodeUnsupportedMedia, "want Content-Type %s", media)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, newError(http.StatusUnsupportedMediaType, client.CodeUnsupportedMedia, "want a body without Content-Encoding")
	}
	body, err := web.ClientOf(r.Context()).ReadBody(w, r, limit)
	switch {
	case errors.Is(err, limits.ErrTooLarge):
		drainBody(w, r)
		return nil, tooLarge("a body of more than %d bytes", limit)
	case errors.Is(err, limits.ErrNoRoom):
		w.Header().Set("Connection", "close")
		return nil, web.BusyError("bytes of requests")
	case err != nil:
		return nil, badRequest("the body is incomplete: %v", err)
	}
	return body, nil
}

// Bounds on reading a body that is too large, only to discard it.
const (
	maxDrain     = 256 << 20
	drainTimeout = 3 * time.Second
)

// drainBody discards the rest of a body: a client that is cut off while it sends never reads the answer. A client that
// waits for 100 Continue has sent nothing yet and reads the answer at once.
func drainBody(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	if r.Header.Get("Expect") != "" {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drainTimeout))
	_, _ = io.CopyN(io.Discard, r.Body, maxDrain)
}
