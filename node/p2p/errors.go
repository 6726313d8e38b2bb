package p2p

import (
	"errors"
	"fmt"
)

// Errors to branch on with errors.Is.
var (
	ErrAddressInUse = errors.New("address is in use by another process: stop it or listen on another port")
	ErrUnknownPeer  = errors.New("peer is not configured")
	ErrNotConnected = errors.New("peer is not connected")
	ErrTooLarge     = errors.New("message is over the size limit")
	ErrBusy         = errors.New("peer is busy: try another one or later")
	ErrNotFound     = errors.New("peer does not have what was asked for")
	ErrMalformed    = errors.New("peer sent a malformed message")
	ErrAlreadyRun   = errors.New("host was already run or closed: build a new one")
	errReplaced     = errors.New("the peer opened a newer stream")
)

// Code says why a peer answered a request with an error.
type Code uint8

// The codes of an error answer.
const (
	CodeFailed   Code = 1 // the handler failed
	CodeBusy     Code = 2 // too many requests at once
	CodeInvalid  Code = 3 // the request is too large or malformed
	CodeNotFound Code = 4 // the peer does not have it
)

// String returns the code's name.
func (c Code) String() string {
	switch c {
	case CodeFailed:
		return "failed"
	case CodeBusy:
		return "busy"
	case CodeInvalid:
		return "invalid"
	case CodeNotFound:
		return "not found"
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// RemoteError is a peer's error answer to a request. A handler that returns one chooses the code.
type RemoteError struct {
	Code    Code
	Message string // at most maxErrorMessage bytes; chosen by the peer, so never to be trusted
}

// Error quotes the peer's message, which may hold anything.
func (e *RemoteError) Error() string { return fmt.Sprintf("peer answered %s: %q", e.Code, e.Message) }

// Is matches ErrBusy and ErrNotFound by the code.
func (e *RemoteError) Is(target error) bool {
	return target == ErrBusy && e.Code == CodeBusy || target == ErrNotFound && e.Code == CodeNotFound
}
