package gateway

import (
	"net/http"

	"github.com/remora-network/remora"
)

// format is a representation of a whole content other than the file or directory page that a path leads to.
type format struct {
	mediaType string // asked for by Accept
	// serve answers for the content of a root, or returns why it cannot before it has written anything.
	serve func(g *Gateway, w http.ResponseWriter, r *http.Request, root remora.ContentEntry) error
}

// formats lists every format. A new one is a row here and a file with its function.
var formats = []format{
	{VerifiedType, (*Gateway).serveVerified},
}

// requestedFormat returns the format that a request asks for, if it asks for one. Paths below a root have no formats.
func requestedFormat(r *http.Request, p contentPath) (format, bool) {
	for _, f := range formats {
		if r.Header.Get("Accept") == f.mediaType && len(p.segments) == 0 {
			return f, true
		}
	}
	return format{}, false
}
