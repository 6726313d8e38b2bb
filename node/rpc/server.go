package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/remora-network/remora"
)

// Limits of the server.
const (
	maxConnections = 2048
	maxHeaderBytes = 16 << 10
	maxWaiting     = 1024 // requests that wait for a block or a certificate
	maxSubscribers = 64

	headerTimeout = 5 * time.Second
	bodyTimeout   = 30 * time.Second
	writeTimeout  = 30 * time.Second // of one answer, one event or one block of a stream
	idleTimeout   = 60 * time.Second
	stopTimeout   = 5 * time.Second
)

// Server answers the API's requests.
type Server struct {
	Config

	listener  net.Listener
	loopback  bool
	http      *http.Server
	origin    remora.Hash
	openAPI   []byte
	calls     map[string]call
	committee *remora.Committee
	nonces    *nonces

	waiting     *semaphore.Weighted
	subscribers *semaphore.Weighted
	running     sync.RWMutex // each running handler holds it for reading, a stopped server for writing
}

// New binds the address. Nothing is served before Run. Run releases it.
func New(c Config) (*Server, error) {
	if err := c.checkComplete(); err != nil {
		return nil, err
	}
	committee, err := c.Genesis.Committee()
	if err != nil {
		return nil, fmt.Errorf("genesis: %w", err)
	}
	openAPI, err := describeAPI(operations())
	if err != nil {
		return nil, fmt.Errorf("openapi.json: %w", err)
	}
	listener, err := listenTCP(c.Listen)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Config:      c,
		listener:    listener,
		loopback:    isLoopbackAddr(listener.Addr()),
		origin:      c.Genesis.Hash(),
		openAPI:     openAPI,
		calls:       callsByName(),
		committee:   committee,
		nonces:      newNonces(),
		waiting:     semaphore.NewWeighted(maxWaiting),
		subscribers: semaphore.NewWeighted(maxSubscribers),
	}
	s.http = &http.Server{
		Handler:           s.guardHandler(s.newRouter()),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// Handler returns the handler of the API, for a second address. It answers while Run runs.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Addr returns the bound address.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends. When it returns no handler is running, so that store and head may be closed.
func (s *Server) Run(ctx context.Context) error {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(limitConnections(s.listener, maxConnections)) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if s.http.Shutdown(stop) != nil {
			err = s.http.Close()
		}
		<-failed
	}
	s.running.Lock() // waits for the running handlers and admits no more
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("rpc on %s: %w", s.Addr(), err)
	}
	return nil
}
