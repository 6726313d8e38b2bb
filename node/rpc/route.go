package rpc

import (
	"context"
	"net/http"
	"time"

	"github.com/remora-network/remora/node/client"
)

// route is one operation over HTTP.
type route struct {
	pattern string // method and path, as http.ServeMux reads them
	serve   func(*Server, http.ResponseWriter, *http.Request) error
}

// operations lists the routes. openapi.json describes each.
func operations() []route {
	return []route{
		{"POST /{$}", (*Server).serveRPC},
		{"GET /v1/status", read((*Server).restStatus)},
		{"GET /v1/genesis", read((*Server).restGenesis)},
		{"GET /v1/blocks", (*Server).serveBlocks},
		{"GET /v1/blocks/{height}", read((*Server).restBlock)},
		{"GET /v1/blocks/{height}/proof", read((*Server).restBlockProof)},
		{"GET /v1/blocks/{height}/certified", (*Server).serveCertified},
		{"GET /v1/accounts/{address}", read((*Server).restAccount)},
		{"POST /v1/accounts/{address}/nonce", read((*Server).restNonce)},
		{"GET /v1/txs/{hash}", read((*Server).restTx)},
		{"POST /v1/txs", (*Server).serveSubmit},
		{"GET /v1/nodes", read((*Server).restNodes)},
		{"GET /v1/nodes/{name}", read((*Server).restNode)},
		{"GET /v1/nodes/{name}/claims", read((*Server).restClaims)},
		{"GET /v1/accounts/{address}/sessions", read((*Server).restSessions)},
		{"GET /v1/sessions/{id}", read((*Server).restSession)},
		{"GET /v1/events", (*Server).serveEvents},
		{"GET /livez", (*Server).serveLive},
		{"GET /readyz", (*Server).serveReady},
		{"GET /healthz", (*Server).serveHealth},
		{"GET /openapi.json", (*Server).serveOpenAPI},
	}
}

// read turns a function of a request into an operation that answers with a JSON document.
func read(f func(*Server, *http.Request) (any, error)) func(*Server, http.ResponseWriter, *http.Request) error {
	return func(s *Server, w http.ResponseWriter, r *http.Request) error {
		v, err := f(s, r)
		if err == nil {
			extend(w, writeTimeout)
			writeJSON(w, http.StatusOK, v)
		}
		return err
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, op := range operations() {
		mux.HandleFunc(op.pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := op.serve(s, w, r); err != nil {
				extend(w, writeTimeout)
				writeError(w, s.refusal(r.Context(), err))
			}
		})
	}
	if s.Content != nil {
		mux.HandleFunc("PUT /v1/content/{cid}", s.serveUpload)
		mux.Handle("HEAD /v1/content/{cid}", s.Content)
	}
	if s.Sales != nil {
		mux.Handle("POST /v1/deliveries/{node}", s.Sales)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { writeError(w, unknownRoute(mux, r)) })
	return mux
}

// uploadTimeout bounds one upload.
const uploadTimeout = 30 * time.Minute

func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	extend(w, uploadTimeout)
	s.Content.ServeHTTP(w, r)
}

// unknownRoute tells a wrong method from a wrong path.
func unknownRoute(mux *http.ServeMux, r *http.Request) *client.Error {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(context.WithoutCancel(r.Context()))
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "/" {
			return fail(http.StatusMethodNotAllowed, client.CodeMethodNotAllowed, "%.80s takes %s", r.URL.Path, method)
		}
	}
	return notFound("no operation at %.80q: /openapi.json lists them", r.URL.Path)
}
