package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/remora-network/remora/app/steady"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/node/limits"
)

const (
	// writePatience bounds the time that a client may take to receive a step of a response.
	writePatience = 30 * time.Second
	// memoryBudget bounds the bytes of content that all responses hold in memory together.
	memoryBudget = 256 << 20
	// minReservation is the weight of the smallest response in bytes.
	minReservation = 64 << 10
	// maxMemoryWaiters bounds the requests that wait for it, those of one address to a quarter.
	maxMemoryWaiters = 1024
	// budgetWait bounds the time for which a request waits for its part of memoryBudget.
	budgetWait = 15 * time.Second
)

// reserveMemory waits until the response to a request may hold the given number of bytes, and returns a function that
// releases them. The responses to one address hold at most half of the budget.
func (g *Gateway) reserveMemory(r *http.Request, bytes uint64) (release func(), err error) {
	ctx, owner := r.Context(), limits.OwnerOf(r.RemoteAddr)
	weight := int64(min(max(bytes, minReservation), 3*transfer.MaxRange))
	waiting, cancel := context.WithTimeout(ctx, budgetWait)
	defer cancel()
	if !g.memory.EnterQueue(waiting, owner, weight) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		g.hits.RecordHit("gateway memory", owner)
		return nil, newFailure(http.StatusServiceUnavailable, "transfer", "too many transfers are under way: try again in a few seconds")
	}
	return func() { g.memory.LeaveQueue(owner, weight) }, nil
}

// response writes a file. It sends no status before the first bytes of its body are loaded: a file that no cache
// delivers is an error, not an empty 200.
type response struct {
	steady.Response
	body *reader
	head bool  // without a body
	err  error // that prevents an answer
}

// WriteHeader implements http.ResponseWriter. It is called with the body at the start of the response.
func (r *response) WriteHeader(status int) {
	switch {
	case status == http.StatusRequestedRangeNotSatisfiable:
		r.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", r.body.c.Length))
		r.err = newFailure(status, "resolve", "no such range: the content has %d bytes, want bytes=FIRST-LAST", r.body.c.Length)
	case !r.head && (status == http.StatusOK || status == http.StatusPartialContent):
		r.err = r.body.ensureWindow()
	}
	if r.err == nil {
		r.ResponseWriter.WriteHeader(status)
	}
}

// Write implements io.Writer.
func (r *response) Write(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.Response.Write(p)
}

// singleRange returns the request with a Range that http.ServeContent answers as RFC 9110 says, or without one. With
// several ranges a short request could fetch a file many times, so they are ignored and everything is served, as for
// units other than bytes and for empty content.
func singleRange(r *http.Request, length uint64) *http.Request {
	ranges := r.Header.Values("Range")
	if len(ranges) == 0 {
		return r
	}
	other := *r
	other.Header = r.Header.Clone()
	spec, ok := strings.CutPrefix(ranges[0], "bytes=")
	switch {
	case len(ranges) > 1 || !ok || strings.Contains(spec, ",") || length == 0:
		other.Header.Del("Range")
	case len(spec) > 1 && strings.Trim(spec[1:], "0") == "" && spec[0] == '-': // the last 0 bytes: not satisfiable
		other.Header.Set("Range", fmt.Sprintf("bytes=%d-", length))
	}
	return &other
}
