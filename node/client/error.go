package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/admission"
)

// Stable codes of the API's errors, besides the codes of rejected transactions (remora.Code).
const (
	CodeBadRequest       = "BAD_REQUEST"
	CodeForbiddenOrigin  = "FORBIDDEN_ORIGIN"
	CodeNotFound         = "NOT_FOUND"
	CodeMethodNotAllowed = "METHOD_NOT_ALLOWED"
	CodeNotCertified     = "NOT_CERTIFIED"
	CodeTooLarge         = "TOO_LARGE"
	CodeUnsupportedMedia = "UNSUPPORTED_MEDIA_TYPE"
	CodeServerBusy       = "SERVER_BUSY"
	CodeClientBusy       = "CLIENT_BUSY" // this client uses up its part of the node
	CodeInternal         = "INTERNAL"
)

// CodeNoncePending says that another transaction of the sender that waits at the node has the nonce.
const CodeNoncePending = admission.CodeNoncePending

// Sentinels to branch on, besides remora.ErrNotFound.
var (
	ErrBusy         = errors.New("the node is busy")
	ErrNotCertified = errors.New("no certificate has formed yet")
	// ErrAnswer says that an answer is not as the API declares. Ask another node.
	ErrAnswer = errors.New("unusable answer of the node")
)

// ErrorDocument is the answer of a failed request.
type ErrorDocument struct {
	Error ErrorBody `json:"error"`
}

// ErrorBody is the reason why a request failed or a transaction was rejected.
type ErrorBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error is a node's refusal of a request.
type Error struct {
	Status     int // of HTTP
	Code       string
	Message    string
	RetryAfter time.Duration // zero when the node named none
}

// Error returns code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Is matches the sentinels of this package and remora.ErrNotFound by code.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case CodeServerBusy, CodeClientBusy:
		return target == ErrBusy
	case CodeNotCertified:
		return target == ErrNotCertified
	case CodeNotFound:
		return target == remora.ErrNotFound
	}
	return false
}

// CodeOf returns the stable code in err, empty when it has none.
func CodeOf(err error) string {
	var rejection *remora.Rejection
	var answer *Error
	switch {
	case errors.As(err, &rejection):
		return rejection.Code.String()
	case errors.As(err, &answer):
		return answer.Code
	}
	return ""
}

// Err returns a *remora.Rejection if the state machine would reject the transaction, else an *Error.
func (r Rejected) Err() error {
	var code remora.Code
	if code.UnmarshalText([]byte(r.Code)) == nil {
		return &remora.Rejection{Code: code, Reason: r.Message}
	}
	return &Error{Code: r.Code, Message: r.Message}
}

// Err returns a *remora.Rejection if the block refused the transaction.
func (t *Tx) Err() error {
	if t.Result == remora.CodeOK {
		return nil
	}
	return remora.Reject(t.Result, "block %d refused transaction %s", t.Height, t.Hash)
}

func unusableAnswer(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrAnswer}, args...)...)
}
