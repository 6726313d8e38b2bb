package delivery

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/node/limits"
)

const (
	// maxWriting bounds the answers in memory that are being written to web clients.
	maxWriting = 24
	// maxOwnWriting bounds those of one address: of a gateway, or of a client that came without one.
	maxOwnWriting = 18
	// maxWebWaiters bounds the requests that wait for their turn, those of one address to a quarter.
	maxWebWaiters = 256
	// webBodies bounds the bytes of requests in memory, half of it for one address. They are read and checked before they
	// have a turn, so that who sends slowly holds none.
	webBodies = 32 << 20
	// Limits of how long a web client may wait for a turn and read its answer.
	webWait  = 5 * time.Second
	webWrite = 30 * time.Second
)

// ServeHTTP answers a DeliveryRequest in the body of a POST as Deliver does. A gateway that reaches the cache this way
// spares both sides an encrypted stream, which neither request nor answer needs.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("node") != s.c.Self.String() {
		transfer.WriteError(w, http.StatusNotFound, "OTHER_CACHE", "this is cache "+s.c.Self.String())
		return
	}
	owner := limits.OwnerOf(r.RemoteAddr)
	body, free, err := s.bodies.ReadBody(w, r, owner, transfer.MaxDeliveryRequest)
	defer free()
	if err == nil {
		_, err = transfer.DecodeDeliveryRequest(body)
	}
	if err != nil && !errors.Is(err, limits.ErrNoRoom) {
		transfer.WriteError(w, http.StatusBadRequest, "BAD_REQUEST", err.Error())
		return
	}
	turn, cancel := context.WithTimeout(r.Context(), webWait)
	defer cancel()
	if err != nil || !s.writing.EnterQueue(turn, owner, 1) {
		s.c.Hits.RecordHit("cache deliveries", owner)
		w.Header().Set("Retry-After", "1")
		transfer.WriteError(w, http.StatusServiceUnavailable, "BUSY", "too many deliveries are under way: come back later")
		return
	}
	defer s.writing.LeaveQueue(owner, 1)
	answer, err := s.Deliver(r.Context(), "", body)
	if err != nil {
		s.declineError(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(answer)))
	h.Set("Cache-Control", "no-store")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(webWrite))
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
