package publish

import (
	"io/fs"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`(?:href|src)="([^"]*)"|url\(([^)#][^)]*)\)|@import`)

// TestSampleSite publishes the site of testdata. It is served below /ipfs/CID/, so its links are relative, and it loads
// nothing from elsewhere.
func TestSampleSite(t *testing.T) {
	const dir = "../../testdata/site"
	site := os.DirFS(dir)
	l := newLedger(t, 2)
	r, err := Publish(t.Context(), dir, l.options())
	fatal(t, err)
	if r.Size > 40<<10 || r.Files != 8 {
		t.Errorf("%d bytes in %d files", r.Size, r.Files)
	}
	err = fs.WalkDir(site, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(site, name)
		for _, found := range link.FindAllStringSubmatch(string(b), -1) {
			if to := found[1]; to == "" || !leadsInside(site, name, to) {
				t.Errorf("%s: %s leads nowhere", name, found[0])
			}
		}
		return err
	})
	fatal(t, err)
}

// leadsInside reports whether a link of a page is relative and ends at a file or, with a slash, at a folder.
func leadsInside(site fs.FS, page, to string) bool {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(u.Path, "/") {
		return false
	}
	info, err := fs.Stat(site, path.Join(path.Dir(page), u.Path))
	return err == nil && info.IsDir() == strings.HasSuffix(u.Path, "/")
}
