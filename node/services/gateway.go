package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/gateway"
	"github.com/remora-network/remora/node/web"
)

// OpenGateway listens for web clients at host:port, who reach the chain's API there, too. Loops includes the server from
// then on.
func (s *Services) OpenGateway(address string, api http.Handler) error {
	server, err := web.Listen(web.Config{
		Name: "gateway", Listen: address, Bounds: s.c.Bounds, Hits: s.c.Hits, Logger: s.c.Logger,
	})
	if err != nil {
		return fmt.Errorf("%w; choose another gateway.listen", err)
	}
	content := gateway.New(s.chain, s.network, s.content, s.c.Logger, s.c.Hits)
	s.closers = append(s.closers, func() error {
		content.Close()
		if err := server.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("POST "+gateway.RelayPath+"{node}", gateway.NewRelay(s.chain, s.network, remora.IsDev(s.c.Genesis.ChainID), s.c.Hits))
	mux.Handle("/", api)
	handler := splitContent(content, mux)
	s.loops = append(s.loops, func(ctx context.Context) error { return server.Serve(ctx, handler) })
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
