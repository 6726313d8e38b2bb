package services

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/gateway"
)

// OpenGateway listens for web clients at host:port, who reach the chain's API there, too. Loops includes the server from
// then on.
func (s *Services) OpenGateway(address string, api http.Handler) error {
	listen, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("gateway on %s: %w; choose another gateway.listen", address, err)
	}
	content := gateway.New(s.chain, s.network, s.content, s.c.Logger)
	s.closers = append(s.closers, func() error {
		content.Close()
		if err := listen.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("POST "+gateway.RelayPath+"{node}", gateway.NewRelay(s.chain, s.network, remora.IsDev(s.c.Genesis.ChainID)))
	mux.Handle("/", api)
	web := &http.Server{
		Handler: splitContent(content, mux), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.c.Logger.Handler(), slog.LevelDebug),
	}
	s.loops = append(s.loops, func(ctx context.Context) error { return serveWeb(ctx, web, listen) })
	return nil
}

// splitContent leads paths of content past the rest: a mux would clean them up, and names in manifests must stay as they
// are.
func splitContent(content, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ipfs/") {
			content.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// serveWeb serves until ctx ends.
func serveWeb(ctx context.Context, web *http.Server, listen net.Listener) error {
	web.BaseContext = func(net.Listener) context.Context { return ctx }
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listen) }()
	select {
	case err := <-failed:
		return fmt.Errorf("gateway: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if web.Shutdown(stop) != nil {
		_ = web.Close() // connections that are still busy are cut off
	}
	<-failed
	return nil
}
