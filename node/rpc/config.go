package rpc

import (
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/web"
)

// Status is the part of a node's status that the store and the head do not know.
type Status struct {
	Name    string // in the registry
	Roles   remora.Roles
	Version string // of the program
	Round   remora.Round
	Peers   int
	Synced  bool

	Observer string // reason why a validator signs nothing; empty: it signs
}

// Config holds the dependencies of a Server. All but Bounds, Hits, Sales and Content are required.
type Config struct {
	Listen  string     // host:port; port 0 for any
	Bounds  web.Bounds // of what clients may have; zero: the default
	Genesis *remora.Genesis
	Store   *store.Store
	Head    *head.Head
	Door    *door.Door // through which transactions come in
	Status  func() Status
	Ready   func() (ready bool, reasons []string)
	Logger  *slog.Logger
	Hits    *limits.Hits // who is held to a limit; nil: nobody remembers
	Sales   http.Handler // POST /v1/deliveries/{node}: paid deliveries of a cache; nil: none
	Content http.Handler // PUT and HEAD /v1/content/{cid}: uploads to a cache; nil: none
}

var optional = []string{"Bounds", "Hits", "Sales", "Content"}

func (c *Config) checkComplete() error {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).IsZero() && !slices.Contains(optional, name) {
			return fmt.Errorf("%w: rpc.Config without %s", remora.ErrInvalid, name)
		}
	}
	return nil
}
