// Package web serves HTTP to clients that nobody vouches for. What a client can take of a listener has an owner, its address,
// and a bound: connections, requests in flight, bytes of bodies, waits and subscriptions. No address can have all of any, and
// a client has to keep a pace while it sends and while it takes an answer.
//
// # Usage
//
// [Listen] binds an address; [Server.Serve] serves a handler until its context ends. A handler asks [ClientOf] who called:
// the Client reads bodies within the budget and has the places for long waits.
//
// # Promises
//
// A client over a limit is told so at once, with 429 and Retry-After, or its connection is closed; it never hangs. /livez,
// /readyz and /healthz need no place, and a client that has no connection left may still ask for them: a few connections
// beyond the limits are kept for that, and the oldest of those gives way to a new one.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/port"
)

const (
	maxHeaderBytes = 16 << 10
	headerTimeout  = 5 * time.Second
	idleTimeout    = 60 * time.Second
	stopTimeout    = 5 * time.Second
	// writeStep is the number of bytes that are written to a client at once.
	writeStep = 64 << 10
	// places is how many times of what one address may have there is for all of them.
	places = 4
)

// Bounds are what the clients of one address may have of a listener at a time. All addresses together may have four times as
// much; of the bytes of bodies one address may have the half.
type Bounds struct {
	Connections   int
	Requests      int // in flight, without those that wait or subscribe
	Waits         int // for a block, a certificate or a transaction
	Subscriptions int
	BodyBytes     int64 // of all addresses
}

// DefaultBounds are the bounds of a listener unless its configuration says something else.
var DefaultBounds = Bounds{Connections: 512, Requests: 384, Waits: 256, Subscriptions: 64, BodyBytes: 64 << 20}

// Config says where a Server listens and how much its clients may have.
type Config struct {
	Name   string // of the listener, such as rpc, in errors and limits
	Listen string // host:port; port 0 for any
	Bounds Bounds
	Hits   *limits.Hits // may be nil
	Logger *slog.Logger
}

// Server is a listener of clients.
type Server struct {
	c        Config
	listener *listener
	loopback bool

	requests, waits, subscriptions *limits.Slots
	bodies                         *limits.Bodies
}

// Listen binds an address. Nothing is served before Serve, which releases it.
func Listen(c Config) (*Server, error) {
	bound, err := listenTCP(c.Name, c.Listen)
	if err != nil {
		return nil, err
	}
	ofEach := func(each int) *limits.Slots { return limits.NewSlots(places*int64(each), int64(each)) }
	s := &Server{
		c: c, requests: ofEach(c.Bounds.Requests), waits: ofEach(c.Bounds.Waits), subscriptions: ofEach(c.Bounds.Subscriptions),
		bodies: limits.NewBodies(c.Bounds.BodyBytes, c.Bounds.BodyBytes/2, limits.ClientPace),
	}
	s.listener = &listener{Listener: bound, connections: ofEach(c.Bounds.Connections), recordHit: s.recordHit}
	tcp, isTCP := bound.Addr().(*net.TCPAddr)
	s.loopback = isTCP && tcp.IP.IsLoopback()
	return s, nil
}

// listenTCP binds a TCP address. The error for an address in use names the process that holds it, if it can be found.
func listenTCP(name, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if !errors.Is(err, syscall.EADDRINUSE) {
		if err != nil {
			err = fmt.Errorf("%s address %s: %w", name, address, err)
		}
		return l, err
	}
	holder := "another process"
	if tcp, err := net.ResolveTCPAddr("tcp", address); err == nil {
		holder = port.Holder(tcp.Port)
	}
	return nil, fmt.Errorf("%s address %s is in use by %s: stop it or choose another address: %w", name, address, holder, err)
}

// Addr returns the bound address.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close releases the address of a server that does not serve.
func (s *Server) Close() error { return s.listener.Close() }

func (s *Server) recordHit(what, owner string) { s.c.Hits.RecordHit(s.c.Name+" "+what, owner) }

// Serve serves until ctx ends. Handlers that are still busy some seconds later are cut off.
func (s *Server) Serve(ctx context.Context, handler http.Handler) error {
	server := &http.Server{
		Handler: s.limitHandler(handler), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:    slog.NewLogLogger(s.c.Logger.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, clientKey{}, &Client{server: s, conn: c.(*conn)})
		},
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(s.listener) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if server.Shutdown(stop) != nil {
			err = server.Close()
		}
		<-failed
	}
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s on %s: %w", s.c.Name, s.Addr(), err)
	}
	return nil
}

// IsHealth reports whether a path tells of the node's health.
func IsHealth(path string) bool { return path == "/livez" || path == "/readyz" || path == "/healthz" }

// limitHandler gives each request its place, and refuses those for which there is none.
func (s *Server) limitHandler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := ClientOf(r.Context())
		if c.conn.beyond {
			w.Header().Set("Connection", "close")
		}
		if r.ContentLength != 0 { // what the handler leaves of a body is read afterwards
			defer func() {
				_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limits.ClientPace.Grace))
			}()
		}
		if IsHealth(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		what := "requests"
		if c.conn.beyond {
			what = "connections"
		}
		if c.conn.beyond || !s.requests.TakeSlots(c.conn.owner, 1) {
			s.recordHit(what, c.conn.owner)
			refuseRequest(w, BusyError(what))
			return
		}
		c.places = append(c.places, s.requests)
		defer c.leavePlaces()
		next.ServeHTTP(w, r)
	})
}

func refuseRequest(w http.ResponseWriter, e *client.Error) {
	h := w.Header()
	h.Set("Retry-After", "1")
	h.Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(client.ErrorDocument{Error: client.ErrorBody{Code: e.Code, Message: e.Message}})
}
