package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// failure is an error with details for the client: the phase in which it happened and the caches that were tried.
type failure struct {
	status int
	phase  string // resolve, index, connect, transfer or verify
	reason string
	tried  []string
}

// Error returns phase and reason.
func (f *failure) Error() string { return f.phase + ": " + f.reason }

func newFailure(status int, phase, format string, args ...any) *failure {
	return &failure{status: status, phase: phase, reason: fmt.Sprintf(format, args...)}
}

// writeFailure answers with an error. Intermediate caches must not store it.
func writeFailure(w http.ResponseWriter, err error) {
	f := new(failure)
	if !errors.As(err, &f) {
		f = newFailure(http.StatusBadGateway, "transfer", "%v", err)
	}
	h := w.Header()
	if f.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	for _, name := range []string{"Etag", "Content-Length", "Accept-Ranges"} {
		h.Del(name)
	}
	if f.status != http.StatusRequestedRangeNotSatisfiable {
		h.Del("Content-Range")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"error": map[string]any{"phase": f.phase, "message": f.reason, "tried": append([]string{}, f.tried...)},
	})
}
