package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

const (
	pathPrefix = "/ipfs/"
	maxPath    = 8 << 10
	maxNesting = 64
)

// contentPath is the decoded path of a request.
type contentPath struct {
	root      remora.Hash
	directory bool
	segments  []string // unescaped once; none is empty
	slash     bool     // the path ends with a slash
}

// parsePath parses the escaped path of a URL. Its segments are names in manifests, never in a file system.
func parsePath(escaped string) (contentPath, error) {
	var c contentPath
	rest, ok := strings.CutPrefix(escaped, pathPrefix)
	if !ok || len(escaped) > maxPath {
		return c, newFailure(http.StatusBadRequest, "resolve", "want %sCID[/path] of at most %d bytes", pathPrefix, maxPath)
	}
	parts := strings.Split(rest, "/")
	root, directory, err := content.ParseCID(parts[0])
	if err != nil {
		return c, newFailure(http.StatusBadRequest, "resolve", "%v", err)
	}
	c.root, c.directory = root, directory
	if len(parts) > 1 && parts[len(parts)-1] == "" {
		c.slash, parts = true, parts[:len(parts)-1]
	}
	if len(parts) > maxNesting {
		return c, newFailure(http.StatusBadRequest, "resolve", "%d path segments, at most %d", len(parts)-1, maxNesting)
	}
	for _, p := range parts[1:] {
		name, err := url.PathUnescape(p)
		if err != nil || !isValidName(name) {
			return c, newFailure(http.StatusBadRequest, "resolve", "path segment %.64q is not a valid name", p)
		}
		c.segments = append(c.segments, name)
	}
	return c, nil
}

func isValidName(name string) bool {
	return name != "" && name != "." && name != ".." && utf8.ValidString(name) && !strings.ContainsAny(name, "/\x00")
}
