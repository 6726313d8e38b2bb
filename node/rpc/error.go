package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/door"
)

// Numbers of JSON-RPC errors: those of the specification, then those of this API.
const (
	rpcParse          = -32700
	rpcInvalid        = -32600
	rpcMethod         = -32601
	rpcParams         = -32602
	rpcInternal       = -32603
	rpcNotFound       = -32001
	rpcNotCertified   = -32002
	rpcBusy           = -32005
	rpcRejected       = -32010
	retryAfterSeconds = "1"
)

func newError(status int, code, format string, args ...any) *client.Error {
	return &client.Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *client.Error {
	return newError(http.StatusBadRequest, client.CodeBadRequest, format, args...)
}

func notFound(format string, args ...any) *client.Error {
	return newError(http.StatusNotFound, client.CodeNotFound, format, args...)
}

func serverBusy(format string, args ...any) *client.Error {
	return newError(http.StatusTooManyRequests, client.CodeServerBusy, format, args...)
}

func tooLarge(format string, args ...any) *client.Error {
	return newError(http.StatusRequestEntityTooLarge, client.CodeTooLarge, format, args...)
}

// explainError returns the error that a client is told. An unexpected one is logged and its text withheld.
func (s *Server) explainError(ctx context.Context, err error) *client.Error {
	var known *client.Error
	var rejection *remora.Rejection
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &rejection):
		return newError(http.StatusUnprocessableEntity, rejection.Code.String(), "%s", rejection.Reason)
	case errors.Is(err, door.ErrBusy):
		return serverBusy("%v: retry later", door.ErrBusy)
	case errors.Is(err, door.ErrOverdrawn):
		return newError(http.StatusTooManyRequests, client.CodeClientBusy, "%v", err)
	case errors.Is(err, remora.ErrNotFound):
		return notFound("%v", err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return newError(http.StatusServiceUnavailable, client.CodeServerBusy, "the node is stopping or took too long: retry")
	}
	s.Logger.ErrorContext(ctx, "request failed", slog.Any("error", err))
	return newError(http.StatusInternalServerError, client.CodeInternal, "the node failed to answer; its log says why")
}

// errorNumbers maps codes to JSON-RPC numbers. That of other codes is rpcRejected.
var errorNumbers = map[string]int{
	client.CodeBadRequest:   rpcParams,
	client.CodeNotFound:     rpcNotFound,
	client.CodeNotCertified: rpcNotCertified,
	client.CodeServerBusy:   rpcBusy,
	client.CodeClientBusy:   rpcBusy,
	client.CodeTooLarge:     rpcInvalid,
	client.CodeInternal:     rpcInternal,
}

func writeError(w http.ResponseWriter, e *client.Error) {
	if e.Status == http.StatusTooManyRequests || e.Code == client.CodeServerBusy {
		w.Header().Set("Retry-After", retryAfterSeconds)
	}
	writeJSON(w, e.Status, client.ErrorDocument{Error: client.ErrorBody{Code: e.Code, Message: e.Message}})
}

// writeJSON writes a document. A failed write means that the client is gone and is ignored.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"code":"INTERNAL","message":"the answer has no JSON form"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}
