package worker

import "errors"

// Reasons for which Submit refuses a transaction, or Step a message.
var (
	ErrBusy   = errors.New("too many unexecuted batches: try again later")
	ErrTxSize = errors.New("transaction of a wrong size")
	ErrAuthor = errors.New("wrong author of a batch")
	ErrWorker = errors.New("batch of another worker")
	ErrEpoch  = errors.New("batch of a wrong epoch or term")
	ErrQuota  = errors.New("author has too many unexecuted batches here")
	ErrAck    = errors.New("unexpected acknowledgement")
)
