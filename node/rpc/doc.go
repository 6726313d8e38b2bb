// Package rpc serves a node's API over HTTP: methods as JSON-RPC 2.0 and as paths under /v1, submission of transactions in
// binary, a stream of events, certified blocks in CBOR, and the node's health. GET /openapi.json describes all of it.
//
// # Usage
//
// [New] binds the address, so that a port in use is found before the node starts; [Server.Run] serves until its context
// ends. A [Config] says where the answers come from: the store and the head for reads, Admit and Submitter for
// transactions, Status and Ready for what only the node knows. The handlers of a cache, Sales and Content, are mounted
// beside the API.
//
// A method is declared once, as a client.Method, and answered by one line in operations with one function of [Server].
// ARCHITECTURE.md lists the steps.
//
// # Promises
//
// Everything that a client sends is bounded before it is kept: connections, headers, bodies, calls in a batch, nesting,
// values, waiting requests, subscribers; node/web gives each address its part of them. An answer is of one view of the state. An error has a stable code; an unexpected one is
// logged, and the client learns only that. There is no CORS, and a server on loopback answers only to names of loopback,
// so that web pages do not reach it. When Run returns, no handler is running.
package rpc
