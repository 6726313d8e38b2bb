package gateway

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/remora-network/remora/app/steady"
	"github.com/remora-network/remora/proofs/content"
)

var listing = template.Must(template.New("listing").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Title}}</title>
<style>body{max-width:50rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif}h1{font-size:1rem;overflow-wrap:anywhere}td{padding:.1rem 2rem .1rem 0}td+td{text-align:right;padding-right:0}</style>
<h1>{{.Title}}</h1>
<table>{{range .Entries}}<tr><td><a href="{{.Href}}">{{.Name}}</a></td><td>{{.Size}}</td></tr>
{{end}}</table></html>
`))

type listingLine struct {
	Name, Href string
	Size       uint64
}

// serveListing answers with a page of a directory's names in the order of the manifest.
func (g *Gateway) serveListing(w http.ResponseWriter, r *http.Request, t target) error {
	page := struct {
		Title   string
		Entries []listingLine
	}{Title: content.CID(t.content.Root, true)}
	for _, e := range t.directory.Entries {
		l := listingLine{Name: e.Name, Href: "./" + url.PathEscape(e.Name), Size: e.Length}
		if e.Directory {
			l.Name, l.Href = l.Name+"/", l.Href+"/"
		}
		page.Entries = append(page.Entries, l)
	}
	var html bytes.Buffer
	if err := listing.Execute(&html, page); err != nil {
		return newFailure(http.StatusInternalServerError, "resolve", "listing: %v", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Etag", strconv.Quote("listing-"+page.Title))
	response := steady.NewResponse(w, g.patience)
	defer response.ClearDeadline()
	http.ServeContent(response, singleRange(r, uint64(html.Len())), "", time.Time{}, bytes.NewReader(html.Bytes()))
	return nil
}
