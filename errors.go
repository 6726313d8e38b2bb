package remora

import "errors"

// Sentinels that cross packages.
var (
	ErrMalformed    = errors.New("malformed encoding")
	ErrNonCanonical = errors.New("non-canonical encoding")
	ErrTooLarge     = errors.New("too large")
	ErrInvalid      = errors.New("invalid value")
	ErrCorrupt      = errors.New("corrupt record on disk")
	ErrNotFound     = errors.New("not found")
)
