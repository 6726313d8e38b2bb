package mempool

import "errors"

// Reasons for which Step refuses a message. ErrSafety and ErrTwin are the only ones that are not about the sender alone.
var (
	ErrTooOld      = errors.New("round is too old")
	ErrTooFarAhead = errors.New("round is too far ahead")
	// ErrEquivocation: two different headers of one author and round.
	ErrEquivocation = errors.New("equivocation")
	// ErrSafety: a quorum signed both of two conflicting headers, so a third of the stake or more is faulty. Ordering
	// must stop: what it ordered may differ from what others did.
	ErrSafety = errors.New("conflicting certificates")
	// ErrTwin: a header of this authority that it did not make. Whoever made it has the same keys; signing on would
	// contradict it sooner or later.
	ErrTwin    = errors.New("this authority's keys are in use elsewhere")
	ErrParents = errors.New("wrong parents")
	ErrPayload = errors.New("wrong payload reference")
	ErrVoter   = errors.New("voter not allowed")
	ErrNotOurs = errors.New("vote for another header")
)
