package gateway

import (
	"cmp"
	"context"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/steady"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/proofs/content"
)

// Chain reads the state: registered content, caches, and the arrival of blocks.
type Chain interface {
	Content(root remora.Hash, directory bool) (remora.ContentEntry, bool, error)
	Caches() ([]transfer.Cache, error)
	WaitBlock(ctx context.Context) error
}

// Network sends requests to caches.
type Network interface {
	Ask(ctx context.Context, cache transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error)
}

// Gateway is an http.Handler for paths under /ipfs/.
type Gateway struct {
	chain    Chain
	source   *source
	memory   *limits.Queue // of memoryBudget
	hits     *limits.Hits
	patience time.Duration // see writePatience
}

// New returns a gateway that keeps copies of content in a store of its own. hits, which may be nil, remembers who had to be
// refused. Close it when its server has ended.
func New(chain Chain, network Network, own *store.Store, log *slog.Logger, hits *limits.Hits) *Gateway {
	ctx, stop := context.WithCancel(context.Background())
	return &Gateway{chain: chain, hits: hits, memory: limits.NewQueue(memoryBudget, memoryBudget/2, maxMemoryWaiters), patience: writePatience, source: &source{
		store: own, chain: chain, network: network, log: log, ctx: ctx, stop: stop, warming: map[remora.Hash]*warmer{}, offerWait: offerWait,
		hedges: make(chan struct{}, maxHedges),
	}}
}

// Close stops the background work and waits for it. No request may be served afterwards.
func (g *Gateway) Close() {
	g.source.stop()
	g.source.group.Wait()
}

const (
	// indexWait is the time for which a look-up waits for blocks that may register the content: other nodes may be ahead.
	indexWait   = 3 * time.Second
	maxManifest = 4 << 20
)

// target is the file or directory that a path leads to.
type target struct {
	content   remora.Content
	directory *content.Directory // nil for a file
	name      string
	mediaType string
}

// ServeHTTP answers GET and HEAD.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeFailure(w, newFailure(http.StatusMethodNotAllowed, "resolve", "method %.16q: want GET or HEAD", r.Method))
		return
	}
	if err := g.serveContent(w, r); err != nil {
		writeFailure(w, err)
	}
}

// serveContent answers, or returns an error before it has written anything.
func (g *Gateway) serveContent(w http.ResponseWriter, r *http.Request) error {
	p, err := parsePath(r.URL.EscapedPath())
	if err != nil {
		return err
	}
	root, err := g.findContent(r.Context(), p)
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Accept")
	if f, asked := requestedFormat(r, p); asked {
		return f.serve(g, w, r, root)
	}
	t, err := g.resolvePath(r.Context(), root, p)
	if err != nil {
		return err
	}
	if t.directory != nil {
		if !p.slash {
			to := r.URL.EscapedPath() + "/"
			if r.URL.RawQuery != "" {
				to += "?" + r.URL.RawQuery
			}
			http.Redirect(w, r, to, http.StatusMovedPermanently)
			return nil
		}
		index, found := t.directory.Lookup("index.html")
		if !found || index.Directory {
			return g.serveListing(w, r, t)
		}
		t = target{content: remora.Content{Root: index.Root, Length: index.Length}, name: index.Name, mediaType: index.MediaType}
	}
	return g.serveFile(w, r, t)
}

// findContent returns the content's entry on the chain, waiting up to indexWait for blocks that may register it.
func (g *Gateway) findContent(ctx context.Context, p contentPath) (remora.ContentEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, indexWait)
	defer cancel()
	for {
		e, found, err := g.chain.Content(p.root, p.directory)
		if err != nil {
			return e, newFailure(http.StatusServiceUnavailable, "index", "%v", err)
		}
		if found {
			return e, nil
		}
		if g.chain.WaitBlock(ctx) != nil {
			return e, newFailure(http.StatusNotFound, "index", "no such content is registered on the chain")
		}
	}
}

// resolvePath follows the manifests from the root to the target of the path.
func (g *Gateway) resolvePath(ctx context.Context, e remora.ContentEntry, p contentPath) (target, error) {
	t := target{content: e.Content}
	isDirectory := e.Directory
	for i := 0; ; i++ {
		if !isDirectory {
			if i < len(p.segments) {
				return t, newFailure(http.StatusNotFound, "resolve", "%.64q is a file: there is nothing below it", t.name)
			}
			return t, nil
		}
		d, err := g.readDirectory(ctx, t.content)
		if err != nil {
			return t, err
		}
		t.directory = d
		if i == len(p.segments) {
			return t, nil
		}
		next, found := d.Lookup(p.segments[i])
		if !found {
			return t, newFailure(http.StatusNotFound, "resolve", "no %.64q in this directory", p.segments[i])
		}
		isDirectory = next.Directory
		t = target{content: remora.Content{Root: next.Root, Length: next.Length}, name: next.Name, mediaType: next.MediaType}
	}
}

func (g *Gateway) readDirectory(ctx context.Context, c remora.Content) (*content.Directory, error) {
	if c.Length > maxManifest {
		return nil, newFailure(http.StatusBadGateway, "resolve", "a directory manifest of %d bytes, at most %d", c.Length, maxManifest)
	}
	b, err := g.source.readRange(ctx, c, content.Whole(c.Length))
	if err != nil {
		return nil, err
	}
	d, err := content.DecodeDirectory(b)
	if err != nil {
		return nil, newFailure(http.StatusBadGateway, "resolve", "%v", err)
	}
	return d, nil
}

// serveFile streams a file, or a range of it. HEAD requests and conditions without a body read nothing.
func (g *Gateway) serveFile(w http.ResponseWriter, r *http.Request, t target) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	body := g.source.newReader(ctx, t.content)
	response := &response{Response: steady.NewResponse(w, g.patience), body: body, head: r.Method == http.MethodHead}
	if !response.head {
		release, err := g.reserveMemory(r, body.memoryLimit())
		if err != nil {
			return err
		}
		defer release()
	}
	h := w.Header()
	h.Set("Etag", strconv.Quote(content.CID(t.content.Root, false)))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", mediaType(t))
	http.ServeContent(response, singleRange(r, t.content.Length), "", time.Time{}, body)
	response.ClearDeadline()
	if response.err == nil && body.failed != nil {
		panic(http.ErrAbortHandler) // a short body must not end cleanly
	}
	return response.err
}

func mediaType(t target) string {
	return cmp.Or(t.mediaType, mime.TypeByExtension(path.Ext(t.name)), "application/octet-stream")
}
