package rpc

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/client/param"
)

// call answers a JSON-RPC call. Its parameters are an object or nil.
type call func(ctx context.Context, s *Server, parameters json.RawMessage) (any, error)

// handler answers an HTTP request, or returns the error to be answered.
type handler func(*Server, http.ResponseWriter, *http.Request) error

// operation is a method as the server answers it.
type operation struct {
	client.Declaration
	parameters reflect.Type   // nil: openapi.json describes the operation
	answers    []reflect.Type // documents that it answers with
	call       call
	serve      handler
}

// operations lists everything that the server answers: one line for each client.Method, and the routes that are none.
func operations() []operation {
	return []operation{
		jsonOperation(client.GetStatus, (*Server).readStatus),
		jsonOperation(client.GetGenesis, (*Server).readGenesis),
		jsonOperation(client.GetBlock, (*Server).readBlock),
		jsonOperation(client.ProveBlock, (*Server).proveBlock),
		provenOperation(client.GetAccount, (*Server).readAccount, (*Server).proveAccount),
		jsonOperation(client.ReserveNonce, (*Server).reserveNonce),
		jsonOperation(client.SendTxs, (*Server).sendTxs),
		jsonOperation(client.GetTx, (*Server).readTx),
		jsonOperation(client.WaitTx, (*Server).waitTx),
		jsonOperation(client.GetNode, (*Server).readNode),
		jsonOperation(client.ListNodes, (*Server).listNodes),
		jsonOperation(client.GetSession, (*Server).readSession),
		jsonOperation(client.ListSessions, (*Server).listSessions),
		jsonOperation(client.ListClaims, (*Server).listClaims),
		streamOperation(client.GetCertifiedBlock, (*Server).serveCertified),
		streamOperation(client.GetCertifiedBlocks, (*Server).serveBlocks),
		streamOperation(client.WatchBlocks, (*Server).serveEvents),
		plainOperation("POST /{$}", (*Server).serveRPC),
		plainOperation("POST /v1/txs", (*Server).serveSubmit),
		plainOperation("GET /livez", (*Server).serveLive),
		plainOperation("GET /readyz", (*Server).serveReady),
		plainOperation("GET /healthz", (*Server).serveHealth),
		plainOperation("GET /openapi.json", (*Server).serveOpenAPI),
	}
}

// callsByName returns the methods of JSON-RPC by name.
func callsByName() map[string]call {
	byName := map[string]call{}
	for _, op := range operations() {
		if op.Name != "" {
			byName[op.Name] = op.call
		}
	}
	return byName
}

// jsonOperation answers a method with the document that read returns.
func jsonOperation[P, D any](m client.Method[P, D], read func(*Server, context.Context, P) (*D, error)) operation {
	either := func(s *Server, ctx context.Context, p P) (any, error) { return read(s, ctx, p) }
	return newOperation(client.Declaration(m), either, reflect.TypeFor[D]())
}

// provenOperation answers a method with the document that read returns, or prove where the caller wants a proof.
func provenOperation[P interface{ WantsProof() bool }, D, E any](
	m client.Method[P, D],
	read func(*Server, context.Context, P) (*D, error),
	prove func(*Server, context.Context, P) (*E, error),
) operation {
	either := func(s *Server, ctx context.Context, p P) (any, error) {
		if p.WantsProof() {
			return prove(s, ctx, p)
		}
		return read(s, ctx, p)
	}
	return newOperation(client.Declaration(m), either, reflect.TypeFor[D](), reflect.TypeFor[E]())
}

func newOperation[P any](d client.Declaration, read func(*Server, context.Context, P) (any, error), answers ...reflect.Type) operation {
	return operation{
		Declaration: d, parameters: reflect.TypeFor[P](), answers: answers,
		call: func(ctx context.Context, s *Server, members json.RawMessage) (any, error) {
			var p P
			if err := param.DecodeJSON(members, &p); err != nil {
				return nil, badRequest("params: %v", err)
			}
			return read(s, ctx, p)
		},
		serve: decodeParameters(func(s *Server, w http.ResponseWriter, r *http.Request, p P) error {
			doc, err := read(s, r.Context(), p)
			if err == nil {
				writeJSON(w, http.StatusOK, doc)
			}
			return err
		}),
	}
}

// streamOperation answers a method with what serve writes.
func streamOperation[P, D any](m client.Method[P, D], serve func(*Server, http.ResponseWriter, *http.Request, P) error) operation {
	d, answer := client.Declaration(m), reflect.TypeFor[D]()
	return operation{Declaration: d, parameters: reflect.TypeFor[P](), answers: []reflect.Type{answer}, serve: decodeParameters(serve)}
}

func decodeParameters[P any](serve func(*Server, http.ResponseWriter, *http.Request, P) error) handler {
	return func(s *Server, w http.ResponseWriter, r *http.Request) error {
		var p P
		if err := param.DecodeHTTP(r, &p); err != nil {
			return badRequest("%v", err)
		}
		return serve(s, w, r, p)
	}
}

// plainOperation answers at a route that openapi.json describes.
func plainOperation(route string, serve handler) operation {
	return operation{Declaration: client.Declaration{Route: route}, serve: serve}
}
