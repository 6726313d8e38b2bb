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
	prefix     = "/ipfs/"
	maxPath    = 8 << 10
	maxNesting = 64
)

// address is what a request names.
type address struct {
	root      remora.Hash
	directory bool
	segments  []string // decoded once; none is empty
	slash     bool     // the path ends with one
}

// parsePath reads the escaped path of a URL. A path is a list of names in manifests and never one of a file system.
func parsePath(escaped string) (address, error) {
	var a address
	rest, ok := strings.CutPrefix(escaped, prefix)
	if !ok || len(escaped) > maxPath {
		return a, bad("resolve", "want %sCID[/path] of at most %d bytes", prefix, maxPath)
	}
	parts := strings.Split(rest, "/")
	root, directory, err := content.ParseCID(parts[0])
	if err != nil {
		return a, bad("resolve", "%v", err)
	}
	a.root, a.directory = root, directory
	if len(parts) > 1 && parts[len(parts)-1] == "" {
		a.slash, parts = true, parts[:len(parts)-1]
	}
	if len(parts) > maxNesting {
		return a, bad("resolve", "%d path segments, at most %d", len(parts)-1, maxNesting)
	}
	for _, p := range parts[1:] {
		name, err := url.PathUnescape(p)
		if err != nil || !validName(name) {
			return a, bad("resolve", "path segment %.64q is no name", p)
		}
		a.segments = append(a.segments, name)
	}
	return a, nil
}

func validName(name string) bool {
	return name != "" && name != "." && name != ".." && utf8.ValidString(name) && !strings.ContainsAny(name, "/\x00")
}

func bad(phase, format string, args ...any) *failure {
	return failed(http.StatusBadRequest, phase, format, args...)
}
