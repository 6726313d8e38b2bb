package rpc

import (
	"context"
	"net/http"

	"github.com/remora-network/remora/node/client"
)

func (s *Server) newRouter() http.Handler {
	mux := http.NewServeMux()
	for _, op := range operations() {
		if op.Route == "" {
			continue
		}
		mux.HandleFunc(op.Route, func(w http.ResponseWriter, r *http.Request) {
			if err := op.serve(s, w, r); err != nil {
				writeError(w, s.explainError(r.Context(), err))
			}
		})
	}
	if s.Content != nil {
		mux.Handle("PUT /v1/content/{cid}", s.Content)
		mux.Handle("HEAD /v1/content/{cid}", s.Content)
	}
	if s.Sales != nil {
		mux.Handle("POST /v1/deliveries/{node}", s.Sales)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { writeError(w, unknownRoute(mux, r)) })
	return mux
}

// unknownRoute returns the error for a request without a route, which tells a wrong verb from a wrong path.
func unknownRoute(mux *http.ServeMux, r *http.Request) *client.Error {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(context.WithoutCancel(r.Context()))
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "/" {
			return newError(http.StatusMethodNotAllowed, client.CodeMethodNotAllowed, "%.80s takes %s", r.URL.Path, method)
		}
	}
	return notFound("no operation at %.80q: /openapi.json lists them", r.URL.Path)
}
