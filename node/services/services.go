package services

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/cache"
	"github.com/remora-network/remora/app/delivery"
	contentstore "github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/web"
)

// Config holds the parts and settings of the services.
type Config struct {
	Genesis *remora.Genesis
	Key     *ed25519.PrivateKey // of the node's account
	Roles   remora.Roles
	Record  remora.Node  // what the registry is to have of the node
	Dir     string       // of the content; exists
	Quota   uint64       // bytes of content
	Store   *store.Store // of the chain
	Head    *head.Head
	Host    *p2p.Host
	Submit  func(ctx context.Context, txs [][]byte) error
	Bounds  web.Bounds   // of what clients may have of a gateway
	Hits    *limits.Hits // who is held to a limit
	Logger  *slog.Logger
}

// Services holds the services of a cache or a gateway.
type Services struct {
	c       Config
	chain   chain
	network network
	outbox  outbox
	content *contentstore.Store
	listed  atomic.Bool // the registry has the node as it is

	handlers       map[string]p2p.Handler
	uploads, sales http.Handler // nil without the role of a cache
	figures        []metrics.Figure
	loops          []func(context.Context) error
	closers        []func() error // in the order of opening
}

// New opens the content and builds the services of the node's roles.
func New(c Config) (*Services, error) {
	s := &Services{
		c: c, chain: chain{c.Head}, network: network{c.Host}, handlers: map[string]p2p.Handler{},
		outbox: outbox{key: c.Key, genesis: c.Genesis, store: c.Store, chain: chain{c.Head}, submit: c.Submit},
	}
	s.loops = append(s.loops, s.registerNode)
	var err error
	// What a gateway keeps is a copy of what caches hold; a cache keeps what it is to hold.
	s.content, err = contentstore.Open(c.Dir, contentstore.Options{Quota: c.Quota, Evict: c.Roles&remora.RoleCache == 0})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, s.content.Close)
	if c.Roles&remora.RoleCache != 0 {
		if err := s.openCache(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// journalDir is where a cache keeps the receipts for its deliveries, below its content.
const journalDir = "deliveries"

// openCache builds what a cache holds, and what it earns by.
func (s *Services) openCache() error {
	journal, err := store.OpenJournal(filepath.Join(s.c.Dir, journalDir), store.Options{Logger: store.Logger{Log: s.c.Logger}})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, journal.Close)
	self := s.c.Key.Public()
	sold, err := delivery.New(delivery.Config{
		Domain: s.c.Genesis.Domain(), Params: s.c.Genesis.Params, Self: self, Store: s.content, Journal: journal,
		Chain:  deliveries{chain: s.chain, self: self, epochMillis: s.c.Genesis.Params.EpochMillis},
		Sender: &s.outbox, Hits: s.c.Hits, Logger: s.c.Logger,
	})
	if err != nil {
		return err
	}
	held := cache.New(cache.Config{
		Self: self, Store: s.content, Chain: s.chain, Network: s.network, Logger: s.c.Logger, Needed: sold.Needed,
	})
	for name, handler := range held.Handlers() {
		s.handlers[name] = handler
	}
	for name, handler := range sold.Handlers() {
		s.handlers[name] = handler
	}
	s.uploads, s.sales = held, sold
	s.loops = append(s.loops, held.Run, sold.Run)
	s.figures = deliveryFigures(sold)
	return nil
}

// deliveryFigures tell what a cache earns by.
func deliveryFigures(sold *delivery.Service) []metrics.Figure {
	newest := func(pick func(s delivery.Stats) uint64) func() float64 {
		return func() float64 { return float64(pick(sold.Stats())) }
	}
	delivered := newest(func(s delivery.Stats) uint64 { return s.Delivered })
	acked := newest(func(s delivery.Stats) uint64 { return s.Acked })
	refused := newest(func(s delivery.Stats) uint64 { return s.Refused })
	opened := newest(func(s delivery.Stats) uint64 { return s.Opened })
	unclaimed := newest(func(s delivery.Stats) uint64 { return uint64(s.Epochs) })
	return []metrics.Figure{
		{Name: "delivered_bytes_total", Help: "Bytes delivered in sessions.", Counter: true, Value: delivered},
		{Name: "acknowledged_bytes_total", Help: "Bytes that clients signed receipts for.", Counter: true, Value: acked},
		{Name: "deliveries_refused_total", Help: "Requests for deliveries that were refused.", Counter: true, Value: refused},
		{Name: "claims_opened_total", Help: "Claims opened.", Counter: true, Value: opened},
		{Name: "unclaimed_epochs", Help: "Epochs with receipts whose claim is not final.", Value: unclaimed},
	}
}

// Handlers returns the requests of peers that a cache answers.
func (s *Services) Handlers() map[string]p2p.Handler { return s.handlers }

// Uploads returns the handler of a cache's uploads, nil at a gateway.
func (s *Services) Uploads() http.Handler { return s.uploads }

// Sales returns the handler of a cache's deliveries over the web, nil at a gateway.
func (s *Services) Sales() http.Handler { return s.sales }

// Figures returns a cache's figures about its deliveries.
func (s *Services) Figures() []metrics.Figure { return s.figures }

// Loops returns the goroutines: 1 that registers the node; at a cache 1 for what it holds (app/cache, three loops) and 1
// for what it earns (app/delivery); at a gateway 1 for its web server.
func (s *Services) Loops() []func(context.Context) error { return s.loops }

// Unready says why clients should not use the services.
func (s *Services) Unready() []string {
	if s.listed.Load() {
		return nil
	}
	return []string{"the registry does not have this node yet"}
}

// Close releases addresses and files.
func (s *Services) Close() error {
	var err error
	for _, closeNext := range slices.Backward(s.closers) {
		err = errors.Join(err, closeNext())
	}
	return err
}
