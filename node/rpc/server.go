package rpc

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/web"
)

// Server answers the API's requests.
type Server struct {
	Config

	web       *web.Server
	handler   http.Handler
	origin    remora.Hash
	openAPI   []byte
	calls     map[string]call
	committee *remora.Committee
	nonces    *nonces
	indexed   *batchIndex

	running sync.RWMutex // each running handler holds it for reading, a stopped server for writing
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
	listener, err := web.Listen(web.Config{
		Name: "rpc", Listen: c.Listen, Bounds: cmp.Or(c.Bounds, web.DefaultBounds), Hits: c.Hits, Logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	s := &Server{
		Config:    c,
		web:       listener,
		origin:    c.Genesis.Hash(),
		openAPI:   openAPI,
		calls:     callsByName(),
		committee: committee,
		nonces:    newNonces(),
		indexed:   newBatchIndex(),
	}
	s.handler = s.guardHandler(s.newRouter())
	return s, nil
}

// Handler returns the handler of the API, for a second address. It answers while Run runs.
func (s *Server) Handler() http.Handler { return s.handler }

// Health returns the handler of the paths of health alone, for an address that clients do not use.
func (s *Server) Health() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !web.IsHealth(r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		s.handler.ServeHTTP(w, r)
	})
}

// Addr returns the bound address.
func (s *Server) Addr() net.Addr { return s.web.Addr() }

// Run serves until ctx ends. When it returns no handler is running, so that store and head may be closed.
func (s *Server) Run(ctx context.Context) error {
	err := s.web.Serve(ctx, s.handler)
	s.running.Lock() // waits for the running handlers and admits no more
	return err
}
