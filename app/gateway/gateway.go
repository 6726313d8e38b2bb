// Package gateway serves content over HTTP: files, directories and ranges under /ipfs/CID, each piece verified before it
// leaves, and the verified stream itself for clients that check on their own.
package gateway

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

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
	index  Index
	source *source
}

// New returns a gateway that keeps content in a store of its own.
func New(index Index, network Network, own *store.Store, log *slog.Logger) *Gateway {
	ctx, stop := context.WithCancel(context.Background())
	return &Gateway{index: index, source: &source{
		store: own, index: index, network: network, log: log, ctx: ctx, stop: stop, warming: map[remora.Hash]bool{},
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
	if r.Header.Get("Accept") == VerifiedType && len(a.segments) == 0 {
		return g.serveVerified(w, r, root)
	}
	t, err := g.resolve(r.Context(), root, a)
	if err != nil {
		return err
	}
	if t.directory != nil {
		if !a.slash {
			http.Redirect(w, r, r.URL.EscapedPath()+"/", http.StatusMovedPermanently)
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
		if found || err != nil {
			return e, err
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
	g.source.warm(c)
	d, err := content.DecodeDirectory(b)
	if err != nil {
		return nil, failed(http.StatusBadGateway, "resolve", "%v", err)
	}
	return d, nil
}

// serveFile streams a file. Its first bytes are here before the status is: a file that nobody delivers is an error, not
// an empty 200.
func (g *Gateway) serveFile(w http.ResponseWriter, r *http.Request, t target) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	body := &reader{ctx: ctx, source: g.source, c: t.content}
	if err := body.probe(r); err != nil {
		return err
	}
	g.source.warm(t.content)
	h := w.Header()
	h.Set("Etag", strconv.Quote(content.CID(t.content.Root, false)))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", mediaType(t))
	http.ServeContent(w, r, "", time.Time{}, body)
	if body.broken() {
		panic(http.ErrAbortHandler) // never a clean end of a short body
	}
	return nil
}

// probe reads the first byte that the response will need, unless it will have no body.
func (r *reader) probe(request *http.Request) error {
	if request.Method == http.MethodHead || request.Header.Get("If-None-Match") != "" || r.c.Length == 0 {
		return nil
	}
	start := uint64(0)
	if text, ok := strings.CutPrefix(request.Header.Get("Range"), "bytes="); ok {
		first, _, _ := strings.Cut(text, "-")
		if n, err := strconv.ParseUint(first, 10, 64); err == nil && n < r.c.Length {
			start = n
		}
	}
	r.offset = start
	err := r.load()
	r.offset = 0
	return err
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

// serveVerified answers with the verified stream of the requested range.
func (g *Gateway) serveVerified(w http.ResponseWriter, r *http.Request, e remora.ContentEntry) error {
	rng, err := verifiedRange(r.Header.Get("Range"), e.Content.Length)
	if err != nil {
		return err
	}
	stream, err := g.source.stream(r.Context(), e.Content, rng)
	if err != nil {
		return err
	}
	g.source.warm(e.Content)
	h := w.Header()
	h.Set("Content-Type", VerifiedType)
	h.Set(HeaderRoot, e.Content.Root.String())
	h.Set(HeaderLength, strconv.FormatUint(e.Content.Length, 10))
	h.Set("Content-Length", strconv.Itoa(len(stream)))
	h.Set("Vary", "Accept")
	if r.Method == http.MethodHead {
		return nil
	}
	_, _ = w.Write(stream) // the client is gone if it fails
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

var listing = template.Must(template.New("listing").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Title}}</title><h1>{{.Title}}</h1>
<table>{{range .Entries}}<tr><td><a href="{{.Href}}">{{.Name}}</a></td><td>{{.Size}}</td></tr>
{{end}}</table></html>
`))

type line struct {
	Name, Href string
	Size       uint64
}

// list answers with a page of a directory's names.
func (g *Gateway) list(w http.ResponseWriter, r *http.Request, t target) error {
	page := struct {
		Title   string
		Entries []line
	}{Title: content.CID(t.content.Root, true)}
	for _, e := range t.directory.Entries {
		l := line{Name: e.Name, Href: "./" + url.PathEscape(e.Name), Size: e.Length}
		if e.Directory {
			l.Name, l.Href = l.Name+"/", l.Href+"/"
		}
		page.Entries = append(page.Entries, l)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Etag", strconv.Quote("listing-"+page.Title))
	if r.Header.Get("If-None-Match") == h.Get("Etag") {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if r.Method == http.MethodHead {
		return nil
	}
	return listing.Execute(w, page)
}
