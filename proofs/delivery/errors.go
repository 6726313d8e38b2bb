package delivery

import "errors"

var (
	// ErrFull says that a receipt has no room for another extent.
	ErrFull = errors.New("the receipt has no room for another extent: continue in another session or epoch")
	// ErrOpening refuses an opening that does not answer its challenge.
	ErrOpening = errors.New("the opening does not answer the claim's challenge")
)
