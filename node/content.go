package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/cache"
	"github.com/remora-network/remora/app/delivery"
	"github.com/remora-network/remora/app/gateway"
	contentstore "github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/store"
)

// contentService is what a cache or gateway runs on the chain's state.
type contentService struct {
	store   *contentstore.Store
	journal *store.Journal    // of the deliveries; nil at a gateway
	sold    *delivery.Service // a cache's deliveries in sessions; nil at a gateway
	cache   *cache.Service    // nil at a gateway
	gateway *gateway.Gateway  // nil at a cache
	web     *http.Server      // the gateway's
	listen  net.Listener
}

// openContent opens the store; the rest needs the network.
func (n *Node) openContent() (*contentService, error) {
	st, err := contentstore.Open(n.config.ContentDir, contentstore.Options{
		// What a gateway keeps is a copy of what caches hold; a cache keeps what it is to hold.
		Quota: n.config.Quota, Evict: n.config.Roles&remora.RoleCache == 0,
	})
	if err != nil {
		return nil, err
	}
	s := &contentService{store: st}
	if n.config.Roles&remora.RoleCache == 0 {
		return s, nil
	}
	if err := n.openDeliveries(s); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.cache = cache.New(cache.Config{
		Self: n.config.Keys.Account.Public(), Store: st, Chain: chain{n.head},
		Network: networkOf(n), Logger: n.config.Logger, Needed: s.sold.Needed,
	})
	return s, nil
}

// journalDir is where a cache keeps the receipts for its deliveries, below its content.
const journalDir = "deliveries"

// openDeliveries opens what a cache knows of its deliveries.
func (n *Node) openDeliveries(s *contentService) (err error) {
	if s.journal, err = store.OpenJournal(filepath.Join(n.config.ContentDir, journalDir), store.Options{Logger: store.Logger{Log: n.config.Logger}}); err != nil {
		return err
	}
	s.sold, err = delivery.New(delivery.Config{
		ChainID: n.config.Genesis.ChainID, Params: n.config.Genesis.Params, Self: n.config.Keys.Account.Public(),
		Store: s.store, Journal: s.journal, Chain: deliveries{chain{n.head}, n}, Sender: &n.outbox, Logger: n.config.Logger,
	})
	return err
}

// networkOf lets a service be built before the host, whose handlers it provides.
func networkOf(n *Node) cache.Network {
	return askFunc(func(ctx context.Context, c transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error) {
		return network{n.host}.Ask(ctx, c, protocol, request, maxAnswer)
	})
}

type askFunc func(ctx context.Context, c transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error)

// Ask implements the services' view of the network.
func (f askFunc) Ask(ctx context.Context, c transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error) {
	return f(ctx, c, protocol, request, maxAnswer)
}

// serve adds the requests that a cache answers.
func (s *contentService) serve(handlers map[string]p2p.Handler) {
	if s.cache == nil {
		return
	}
	for name, handler := range s.cache.Handlers() {
		handlers[name] = handler
	}
	for name, handler := range s.sold.Handlers() {
		handlers[name] = handler
	}
}

// sales returns the handler of a cache's deliveries over the web, nil elsewhere.
func (n *Node) sales() http.Handler {
	if n.content == nil || n.content.sold == nil {
		return nil
	}
	return n.content.sold
}

// uploads returns the handler of a cache's uploads, nil elsewhere.
func (n *Node) uploads() http.Handler {
	if n.content == nil || n.content.cache == nil {
		return nil
	}
	return n.content.cache
}

// wireContent starts the services' loops with the node and opens the gateway's address.
func (n *Node) wireContent() error {
	n.loops = append(n.loops, n.register)
	s := n.content
	if s.cache != nil {
		n.loops = append(n.loops, s.cache.Run, s.sold.Run)
	}
	if n.config.Roles&remora.RoleGateway == 0 {
		return nil
	}
	var err error
	if s.listen, err = net.Listen("tcp", n.config.Gateway); err != nil {
		return fmt.Errorf("gateway on %s: %w; choose another gateway.listen", n.config.Gateway, err)
	}
	s.gateway = gateway.New(chain{n.head}, networkOf(n), s.store, n.config.Logger)
	mux := http.NewServeMux()
	mux.Handle("POST "+gateway.RelayPath+"{node}", gateway.NewRelay(chain{n.head}, networkOf(n), remora.IsDev(n.config.Genesis.ChainID)))
	mux.Handle("/", n.rpc.Handler()) // clients reach the chain through the gateway, too
	s.web = &http.Server{
		Handler: split(s.gateway, mux), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(n.config.Logger.Handler(), slog.LevelDebug),
	}
	n.loops = append(n.loops, s.serveWeb)
	return nil
}

// split leads paths of content past the rest: a mux would clean them up, and names in manifests are not its to change.
func split(content, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ipfs/") {
			content.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// serveWeb serves the gateway until ctx ends.
func (s *contentService) serveWeb(ctx context.Context) error {
	s.web.BaseContext = func(net.Listener) context.Context { return ctx }
	failed := make(chan error, 1)
	go func() { failed <- s.web.Serve(s.listen) }()
	select {
	case err := <-failed:
		return fmt.Errorf("gateway: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if s.web.Shutdown(stop) != nil {
		_ = s.web.Close() // connections that are still busy are cut off
	}
	<-failed
	return nil
}

func (s *contentService) close() error {
	if s.gateway != nil {
		s.gateway.Close()
	}
	var err error
	if s.listen != nil {
		if err = s.listen.Close(); errors.Is(err, net.ErrClosed) {
			err = nil
		}
	}
	if s.journal != nil {
		err = errors.Join(err, s.journal.Close())
	}
	return errors.Join(err, s.store.Close())
}
