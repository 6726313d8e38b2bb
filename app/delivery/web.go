package delivery

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
)

const (
	// maxWriting bounds the answers in memory that are being written to web clients.
	maxWriting = 24
	// Limits of how long a web client may wait for a place, send its request and read its answer.
	webWait  = 5 * time.Second
	webRead  = 5 * time.Second
	webWrite = 30 * time.Second
)

// ServeHTTP answers a DeliveryRequest in the body of a POST as Deliver does. A gateway that reaches the cache this way
// spares both sides an encrypted stream, which neither request nor answer needs.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("node") != s.c.Self.String() {
		transfer.WriteError(w, http.StatusNotFound, "OTHER_CACHE", "this is cache "+s.c.Self.String())
		return
	}
	turn, cancel := context.WithTimeout(r.Context(), webWait)
	defer cancel()
	if s.writing.Acquire(turn, 1) != nil {
		transfer.WriteError(w, http.StatusServiceUnavailable, "BUSY", "too many deliveries are under way: come back later")
		return
	}
	defer s.writing.Release(1)
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(webRead)) // only a test's recorder has none
	var body bytes.Buffer
	if _, err := io.Copy(&body, http.MaxBytesReader(w, r.Body, transfer.MaxDeliveryRequest)); err != nil {
		transfer.WriteError(w, http.StatusBadRequest, "BAD_REQUEST", err.Error())
		return
	}
	answer, err := s.Deliver(r.Context(), "", body.Bytes())
	if err != nil {
		s.declineError(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(answer)))
	h.Set("Cache-Control", "no-store")
	_ = control.SetWriteDeadline(time.Now().Add(webWrite))
	_, _ = w.Write(answer) // the client is gone if it fails
}

// declineError answers with a client's fault; a fault of this node goes to the log.
func (s *Service) declineError(w http.ResponseWriter, err error) {
	for _, fault := range []error{remora.ErrMalformed, remora.ErrNonCanonical, remora.ErrTooLarge, remora.ErrInvalid} {
		if errors.Is(err, fault) {
			transfer.WriteError(w, http.StatusBadRequest, "BAD_REQUEST", err.Error())
			return
		}
	}
	s.c.Logger.Warn("a delivery failed", slog.Any("reason", err))
	transfer.WriteError(w, http.StatusInternalServerError, "INTERNAL", "the cache failed to deliver; its log says why")
}
