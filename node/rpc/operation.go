package rpc

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/client/param"
)

// call answers a JSON-RPC call, whose parameters are an object or nil.
type call func(ctx context.Context, s *Server, parameters json.RawMessage) (any, error)

// operation is one method as the server answers it.
type operation struct {
	client.Declaration
	parameters reflect.Type   // nil: openapi.json describes the operation
	answers    []reflect.Type // documents that it answers with
	call       call
	serve      func(*Server, http.ResponseWriter, *http.Request) error
}

// operations lists all that the server answers. A method whose client.Method is declared has one line here.
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

// jsonOperation makes an operation of a function that returns the method's document.
func jsonOperation[P, D any](m client.Method[P, D], f func(*Server, context.Context, P) (*D, error)) operation {
	return newOperation(client.Declaration(m), func(s *Server, ctx context.Context, p P) (any, error) { return f(s, ctx, p) },
		reflect.TypeFor[D]())
}

// provenOperation makes an operation of two functions: prove answers calls that want a proof.
func provenOperation[P interface{ WantsProof() bool }, D, E any](
	m client.Method[P, D],
	f func(*Server, context.Context, P) (*D, error),
	prove func(*Server, context.Context, P) (*E, error),
) operation {
	either := func(s *Server, ctx context.Context, p P) (any, error) {
		if p.WantsProof() {
			return prove(s, ctx, p)
		}
		return f(s, ctx, p)
	}
	return newOperation(client.Declaration(m), either, reflect.TypeFor[D](), reflect.TypeFor[E]())
}

func newOperation[P any](d client.Declaration, f func(*Server, context.Context, P) (any, error), answers ...reflect.Type) operation {
	op := operation{Declaration: d, parameters: reflect.TypeFor[P](), answers: answers}
	op.call = func(ctx context.Context, s *Server, members json.RawMessage) (any, error) {
		var p P
		if err := param.DecodeJSON(members, &p); err != nil {
			return nil, badRequest("params: %v", err)
		}
		return f(s, ctx, p)
	}
	op.serve = func(s *Server, w http.ResponseWriter, r *http.Request) error {
		var p P
		if err := param.DecodeHTTP(r, &p); err != nil {
			return badRequest("%v", err)
		}
		doc, err := f(s, r.Context(), p)
		if err == nil {
			extendDeadline(w, writeTimeout)
			writeJSON(w, http.StatusOK, doc)
		}
		return err
	}
	return op
}

// streamOperation makes an operation of a function that writes the answer.
func streamOperation[P, D any](m client.Method[P, D], f func(*Server, http.ResponseWriter, *http.Request, P) error) operation {
	op := operation{Declaration: client.Declaration(m), parameters: reflect.TypeFor[P](), answers: []reflect.Type{reflect.TypeFor[D]()}}
	op.serve = func(s *Server, w http.ResponseWriter, r *http.Request) error {
		var p P
		if err := param.DecodeHTTP(r, &p); err != nil {
			return badRequest("%v", err)
		}
		return f(s, w, r, p)
	}
	return op
}

// plainOperation makes an operation of a handler, which openapi.json describes.
func plainOperation(pattern string, f func(*Server, http.ResponseWriter, *http.Request) error) operation {
	return operation{Declaration: client.Declaration{Route: pattern}, serve: f}
}
