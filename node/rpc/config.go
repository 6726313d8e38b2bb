// Package rpc serves a node's API over HTTP: JSON-RPC 2.0, the same reads as REST, a binary way in for transactions, a
// stream of events, and the node's health. openapi.json describes all of it.
//
// Whatever a client sends is bounded before it is kept: connections, header, body, calls in a batch, depth, waiting
// requests, subscribers. There is no CORS, and a server on loopback answers only to names of loopback, so that no web
// page reaches it.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state"
)

// ErrBusy is what a Submitter returns when it has no room: clients are told to come back.
var ErrBusy = errors.New("too many transactions wait to be ordered")

// Submitter takes transactions into batches.
type Submitter interface {
	// Submit returns when the batches of the transactions are durable, with the digest of each transaction's batch. When
	// only the first ones found room it returns the digests of those and ErrBusy. The slices are its to keep.
	Submit(ctx context.Context, txs [][]byte) ([]remora.Hash, error)
}

// Status is what the node itself knows of where it stands.
type Status struct {
	Name    string // that the node registered with
	Roles   remora.Roles
	Version string // of the program
	Round   remora.Round
	Peers   int
	Synced  bool

	Observer string // why a validator signs nothing; empty: it does
}

// Config is what a Server needs. All of it is required but Content.
type Config struct {
	Listen    string // host:port; port 0 for any
	Genesis   *remora.Genesis
	Store     *store.Store
	Head      *head.Head
	Admit     func(view state.View, raw []byte) error // a *remora.Rejection, or a failure to read the state
	Submitter Submitter
	Status    func() Status
	Ready     func() (ready bool, reasons []string)
	Logger    *slog.Logger
	Sales     http.Handler // a cache's deliveries in sessions, POST /v1/deliveries/{node}; nil: there are none
	Content   http.Handler // a cache's uploads, PUT and HEAD /v1/content/{cid}; nil: none are taken
}

func (c *Config) checkComplete() error {
	missing := ""
	switch {
	case c.Listen == "":
		missing = "Listen"
	case c.Genesis == nil:
		missing = "Genesis"
	case c.Store == nil:
		missing = "Store"
	case c.Head == nil:
		missing = "Head"
	case c.Admit == nil:
		missing = "Admit"
	case c.Submitter == nil:
		missing = "Submitter"
	case c.Status == nil:
		missing = "Status"
	case c.Ready == nil:
		missing = "Ready"
	case c.Logger == nil:
		missing = "Logger"
	default:
		return nil
	}
	return fmt.Errorf("%w: rpc.Config without %s", remora.ErrInvalid, missing)
}
