package mempool

import "errors"

// Reasons for which Step refuses a message. All but ErrSafety and ErrTwin concern the sender alone.
var (
	ErrTooOld      = errors.New("round is too old")
	ErrTooFarAhead = errors.New("round is too far ahead")
	// ErrEquivocation: an author signed two headers of one round.
	ErrEquivocation = errors.New("equivocation")
	// ErrSafety: quorums signed two conflicting headers, so at least a third of the stake is faulty. Ordering must stop:
	// its result may differ from that of other nodes.
	ErrSafety = errors.New("conflicting certificates")
	// ErrTwin: another process signed a header with this authority's keys. Signing on would sooner or later
	// equivocate.
	ErrTwin    = errors.New("this authority's keys are in use elsewhere")
	ErrParents = errors.New("wrong parents")
	ErrPayload = errors.New("wrong payload reference")
	ErrVoter   = errors.New("voter not allowed")
	ErrNotOurs = errors.New("vote for another header")
)
