package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/steady"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// VerifiedType is the media type of a verified stream. A request asks for it with Accept and a Range of whole pieces.
const VerifiedType = "application/vnd.remora.verified"

// Headers of a verified stream.
const (
	HeaderRoot   = "Remora-Root"
	HeaderLength = "Remora-Length" // of the whole content; the client verifies it
)

// serveVerified answers with the verified stream of the requested range. HEAD returns its size and reads nothing.
func (g *Gateway) serveVerified(w http.ResponseWriter, r *http.Request, e remora.ContentEntry) error {
	rng, err := verifiedRange(r.Header.Get("Range"), e.Content.Length)
	if err != nil {
		return err
	}
	size, err := content.StreamSize(e.Content.Length, rng)
	if err != nil {
		return newFailure(http.StatusInternalServerError, "resolve", "%v", err)
	}
	var stream []byte
	if r.Method != http.MethodHead {
		release, err := g.reserveMemory(r, size)
		if err != nil {
			return err
		}
		defer release()
		if stream, err = g.source.verifiedStream(r.Context(), e.Content, rng); err != nil {
			return err
		}
	}
	h := w.Header()
	h.Set("Content-Type", VerifiedType)
	h.Set(HeaderRoot, e.Content.Root.String())
	h.Set(HeaderLength, strconv.FormatUint(e.Content.Length, 10))
	h.Set("Content-Length", strconv.FormatUint(size, 10))
	response := steady.NewResponse(w, g.patience)
	defer response.ClearDeadline()
	_, _ = response.Write(stream) // fails only if the client is gone
	return nil
}

// verifiedRange parses bytes=first-last. Without a header it is the beginning of the content.
func verifiedRange(header string, length uint64) (content.Range, error) {
	unsatisfiable := newFailure(http.StatusRequestedRangeNotSatisfiable, "resolve",
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
