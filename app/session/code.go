package session

import "fmt"

// Code says what became of a delivery request.
type Code uint8

// The outcomes of a delivery request. A seller answers with the first check that fails: the session, the proof of the
// pass, the receipt, the session's expiry, the content, the allotment, the window.
const (
	Delivered       Code = iota
	NotHeld              // the cache does not hold the content
	SessionUnusable      // unknown, expired, or without an allotment for this cache
	ProofWrong           // the proof is not the session key's
	WindowClosed         // too much is not acknowledged yet
	AllotmentSpent       // the range would exceed what the session allots
	ReceiptWrong         // the receipt does not follow from what the cache has, or its signature is invalid
	ReceiptStale         // its epoch is over and claimed for; it will not be paid, acknowledge in the epoch of the answer
)

// confirmsReceipt reports whether an answer with this code shows that the seller has the request's receipt: the check
// that failed comes after that of the receipt.
func (c Code) confirmsReceipt() bool {
	return c == Delivered || c == NotHeld || c == WindowClosed || c == AllotmentSpent
}

// Refusal is an answer that refuses a request.
type Refusal struct {
	Code   Code
	Reason string // for people, not for programs
}

// Error returns the reason.
func (r *Refusal) Error() string { return r.Reason }

// Refuse returns a *Refusal.
func Refuse(code Code, format string, args ...any) error {
	return &Refusal{code, fmt.Sprintf(format, args...)}
}
