// Package gateway serves content over HTTP under /ipfs/CID[/path]: files, directories and ranges, and the verified stream
// for clients that verify on their own.
//
// A [Gateway] is an http.Handler. It resolves the path through directory manifests, reads from a store of its own or from
// the caches that the chain names, those first to which the content is assigned, and copies what it served into the store
// in the background:
//
//	g := gateway.New(chain, network, store, log)
//	mux.Handle("/ipfs/", g)
//	mux.Handle("POST "+gateway.RelayPath+"{node}", gateway.NewRelay(chain, network, false))
//
// Promises: no byte leaves before its piece was verified against the CID; a response that cannot be completed is cut off,
// never ended cleanly; memory is bounded over all requests; a client that stops receiving is dropped. Errors are JSON
// documents with the phase that failed (resolve, index, connect, transfer, verify) and the caches that were tried.
//
// A relay passes requests for paid deliveries to caches. It needs no trust, since client and cache verify each other.
package gateway
