// Package gateway serves content over HTTP: files, directories and ranges under /ipfs/CID, each piece verified before it
// leaves, and the verified stream itself for clients that check on their own.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/store"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// VerifiedType is the media type of a verified stream: ask for it with Accept and a Range of whole pieces.
const VerifiedType = "application/vnd.remora.verified"

// Headers of a verified stream.
const (
	HeaderRoot   = "Remora-Root"
	HeaderLength = "Remora-Length" // of the whole content, for the client to verify
)

// Index is what a gateway reads of the state.
type Index interface {
	Content(root remora.Hash, directory bool) (remora.ContentEntry, bool, error)
	Caches() ([]transfer.Cache, error)
	WaitBlock(ctx context.Context) error
}

// Network asks caches.
type Network interface {
	Ask(ctx context.Context, cache transfer.Cache, protocol string, request []byte, maxAnswer int) ([]byte, error)
}

// Gateway is an http.Handler for paths under /ipfs/.
type Gateway struct {
	index    Index
	source   *source
	memory   *semaphore.Weighted // of budget
	patience time.Duration       // with clients that take nothing
}

// New returns a gateway that keeps content in a store of its own.
func New(index Index, network Network, own *store.Store, log *slog.Logger) *Gateway {
	ctx, stop := context.WithCancel(context.Background())
	return &Gateway{index: index, memory: semaphore.NewWeighted(budget), patience: writePatience, source: &source{
		store: own, index: index, network: network, log: log, ctx: ctx, stop: stop, warming: map[remora.Hash]*warmer{}, offerWait: offerWait,
		hedges: make(chan struct{}, maxHedges),
	}}
}

// Close stops what runs in the background and waits for it. No request may come after it.
func (g *Gateway) Close() {
	g.source.stop()
	g.source.group.Wait()
}

const (
	// indexWait is how long a look-up waits for blocks that may hold a record which another node has already.
	indexWait   = 3 * time.Second
	maxManifest = 4 << 20
)

// target is what a path leads to.
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
		report(w, failed(http.StatusMethodNotAllowed, "resolve", "%.16q, want GET or HEAD", r.Method))
		return
	}
	if err := g.serve(w, r); err != nil {
		report(w, err)
	}
}

// serve answers, or returns why it cannot before anything is written.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) error {
	a, err := parsePath(r.URL.EscapedPath())
	if err != nil {
		return err
	}
	root, err := g.look(r.Context(), a)
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Accept")
	if r.Header.Get("Accept") == VerifiedType && len(a.segments) == 0 {
		return g.serveVerified(w, r, root)
	}
	t, err := g.resolve(r.Context(), root, a)
	if err != nil {
		return err
	}
	if t.directory != nil {
		if !a.slash {
			to := r.URL.EscapedPath() + "/"
			if r.URL.RawQuery != "" {
				to += "?" + r.URL.RawQuery
			}
			http.Redirect(w, r, to, http.StatusMovedPermanently)
			return nil
		}
		index, found := t.directory.Lookup("index.html")
		if !found || index.Directory {
			return g.list(w, r, t)
		}
		t = target{content: remora.Content{Root: index.Root, Length: index.Length}, name: index.Name, mediaType: index.MediaType}
	}
	return g.serveFile(w, r, t)
}

// look finds the index's entry, waiting for blocks under way.
func (g *Gateway) look(ctx context.Context, a address) (remora.ContentEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, indexWait)
	defer cancel()
	for {
		e, found, err := g.index.Content(a.root, a.directory)
		if err != nil {
			return e, failed(http.StatusServiceUnavailable, "index", "%v", err)
		}
		if found {
			return e, nil
		}
		if g.index.WaitBlock(ctx) != nil {
			return e, failed(http.StatusNotFound, "index", "no such content is registered on the chain")
		}
	}
}

// resolve walks the manifests from the root to what the path names.
func (g *Gateway) resolve(ctx context.Context, e remora.ContentEntry, a address) (target, error) {
	t := target{content: e.Content}
	isDirectory := e.Directory
	for i := 0; ; i++ {
		if !isDirectory {
			if i < len(a.segments) {
				return t, failed(http.StatusNotFound, "resolve", "%.64q is a file: there is nothing below it", t.name)
			}
			return t, nil
		}
		d, err := g.manifest(ctx, t.content)
		if err != nil {
			return t, err
		}
		t.directory = d
		if i == len(a.segments) {
			return t, nil
		}
		next, found := d.Lookup(a.segments[i])
		if !found {
			return t, failed(http.StatusNotFound, "resolve", "no %.64q in this directory", a.segments[i])
		}
		isDirectory = next.Directory
		t = target{content: remora.Content{Root: next.Root, Length: next.Length}, name: next.Name, mediaType: next.MediaType}
	}
}

func (g *Gateway) manifest(ctx context.Context, c remora.Content) (*content.Directory, error) {
	if c.Length > maxManifest {
		return nil, failed(http.StatusBadGateway, "resolve", "a directory manifest of %d bytes, at most %d", c.Length, maxManifest)
	}
	b, err := g.source.read(ctx, c, content.Whole(c.Length))
	if err != nil {
		return nil, err
	}
	d, err := content.DecodeDirectory(b)
	if err != nil {
		return nil, failed(http.StatusBadGateway, "resolve", "%v", err)
	}
	return d, nil
}

// serveFile streams a file, or a range of it. HEAD and conditions that hold read nothing.
func (g *Gateway) serveFile(w http.ResponseWriter, r *http.Request, t target) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	body := g.source.reader(ctx, t.content)
	response := &response{steady: newSteady(w, g.patience), body: body, head: r.Method == http.MethodHead}
	if !response.head {
		release, err := g.admit(ctx, body.memory())
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
	http.ServeContent(response, oneRange(r, t.content.Length), "", time.Time{}, body)
	response.done()
	if response.err == nil && body.failed != nil {
		panic(http.ErrAbortHandler) // never a clean end of a short body
	}
	return response.err
}

func mediaType(t target) string {
	if t.mediaType != "" {
		return t.mediaType
	}
	if byName := mime.TypeByExtension(path.Ext(t.name)); byName != "" {
		return byName
	}
	return "application/octet-stream"
}

// serveVerified answers with the verified stream of the requested range. HEAD tells its size and reads nothing.
func (g *Gateway) serveVerified(w http.ResponseWriter, r *http.Request, e remora.ContentEntry) error {
	rng, err := verifiedRange(r.Header.Get("Range"), e.Content.Length)
	if err != nil {
		return err
	}
	size, err := content.StreamSize(e.Content.Length, rng)
	if err != nil {
		return failed(http.StatusInternalServerError, "resolve", "%v", err)
	}
	var stream []byte
	if r.Method != http.MethodHead {
		release, err := g.admit(r.Context(), size)
		if err != nil {
			return err
		}
		defer release()
		if stream, err = g.source.stream(r.Context(), e.Content, rng); err != nil {
			return err
		}
	}
	h := w.Header()
	h.Set("Content-Type", VerifiedType)
	h.Set(HeaderRoot, e.Content.Root.String())
	h.Set(HeaderLength, strconv.FormatUint(e.Content.Length, 10))
	h.Set("Content-Length", strconv.FormatUint(size, 10))
	steady := newSteady(w, g.patience)
	defer steady.done()
	_, _ = steady.Write(stream) // the client is gone if it fails
	return nil
}

// verifiedRange reads bytes=first-last; none means the beginning.
func verifiedRange(header string, length uint64) (content.Range, error) {
	unsatisfiable := failed(http.StatusRequestedRangeNotSatisfiable, "resolve",
		"range %.64q of %d bytes: want bytes=FIRST-LAST of at most %d bytes", header, length, transfer.MaxRange)
	if header == "" {
		return content.Range{Length: min(length, transfer.MaxRange)}, nil
	}
	first, last, ok := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	start, err1 := strconv.ParseUint(first, 10, 64)
	end, err2 := strconv.ParseUint(last, 10, 64)
	if !ok || errors.Join(err1, err2) != nil || start > end || end >= length || end-start >= transfer.MaxRange {
		return content.Range{}, unsatisfiable
	}
	return content.Range{Offset: start, Length: end - start + 1}, nil
}
