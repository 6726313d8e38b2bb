package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/remora-network/remora"
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
	CodeInternal         = "INTERNAL"
)

// Sentinels to branch on. What the node could not find is remora.ErrNotFound.
var (
	ErrBusy         = errors.New("the node is busy")
	ErrNotCertified = errors.New("no certificate has formed yet")
	// ErrAnswer says that a node's answer was not what the API promises. Ask another node.
	ErrAnswer = errors.New("unusable answer of the node")
)

// ErrorDocument is the answer of a failed request.
type ErrorDocument struct {
	Error ErrorBody `json:"error"`
}

// ErrorBody says why a request failed or a transaction was not taken.
type ErrorBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error is an error that a node answered with.
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
	case CodeServerBusy:
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

// Err returns what a rejected transaction means: a *remora.Rejection when the state machine would refuse it, else an
// *Error.
func (r Rejected) Err() error {
	var code remora.Code
	if code.UnmarshalText([]byte(r.Code)) == nil {
		return &remora.Rejection{Code: code, Reason: r.Message}
	}
	return &Error{Code: r.Code, Message: r.Message}
}

func unusableAnswer(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrAnswer}, args...)...)
}
