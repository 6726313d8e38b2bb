package remora

import "fmt"

// Code is the result of a transaction, the same at admission and at execution. Its number enters the results root: never
// renumber one.
type Code uint8

// The results of a transaction.
const (
	CodeOK Code = iota
	CodeMalformed
	CodeTooLarge
	CodeWrongChain
	CodeBadSignature
	CodeNonceUsed
	CodeNonceTooFar
	CodeUnknownAccount
	CodeInsufficientBalance
	CodeFeeTooLow
	CodeOverflow
	CodeKindNotAllowed
	CodeInvalidAmount
	CodeInvalidNode
	CodeBadPossession
	CodeNodeExists
	CodeNameTaken
	CodeInvalidContent
	CodeContentExists
	CodeInvalidSession
	CodeSessionExists
	CodeUnknownSession
	CodeSessionNotOwned
	CodeUnknownCache
	CodeInvalidClaim
	CodeClaimExists
	CodeClaimEpoch
	CodeOverAllotment
	CodeUnknownClaim
	CodeNotChallenged
	CodeClaimClosed
	CodeBadOpening
	CodeSkipped
	CodeMalformedBody
	CodeExpired
	codeCount
)

var codeNames = [codeCount]string{
	CodeOK:                  "ok",
	CodeMalformed:           "TX_MALFORMED",
	CodeTooLarge:            "TX_TOO_LARGE",
	CodeWrongChain:          "TX_WRONG_CHAIN",
	CodeBadSignature:        "TX_BAD_SIGNATURE",
	CodeNonceUsed:           "TX_NONCE_USED",
	CodeNonceTooFar:         "TX_NONCE_TOO_FAR",
	CodeUnknownAccount:      "TX_UNKNOWN_ACCOUNT",
	CodeInsufficientBalance: "TX_INSUFFICIENT_BALANCE",
	CodeFeeTooLow:           "TX_FEE_TOO_LOW",
	CodeOverflow:            "TX_OVERFLOW",
	CodeKindNotAllowed:      "TX_KIND_NOT_ALLOWED",
	CodeInvalidAmount:       "TX_INVALID_AMOUNT",
	CodeInvalidNode:         "TX_INVALID_NODE",
	CodeBadPossession:       "TX_BAD_POSSESSION",
	CodeNodeExists:          "TX_NODE_EXISTS",
	CodeNameTaken:           "TX_NAME_TAKEN",
	CodeInvalidContent:      "TX_INVALID_CONTENT",
	CodeContentExists:       "TX_CONTENT_EXISTS",
	CodeInvalidSession:      "TX_INVALID_SESSION",
	CodeSessionExists:       "TX_SESSION_EXISTS",
	CodeUnknownSession:      "TX_UNKNOWN_SESSION",
	CodeSessionNotOwned:     "TX_SESSION_NOT_OWNED",
	CodeUnknownCache:        "TX_UNKNOWN_CACHE",
	CodeInvalidClaim:        "TX_INVALID_CLAIM",
	CodeClaimExists:         "TX_CLAIM_EXISTS",
	CodeClaimEpoch:          "TX_CLAIM_EPOCH",
	CodeOverAllotment:       "TX_OVER_ALLOTMENT",
	CodeUnknownClaim:        "TX_UNKNOWN_CLAIM",
	CodeNotChallenged:       "TX_NOT_CHALLENGED",
	CodeClaimClosed:         "TX_CLAIM_CLOSED",
	CodeBadOpening:          "TX_BAD_OPENING",
	CodeSkipped:             "TX_SKIPPED",
	CodeMalformedBody:       "TX_MALFORMED_BODY",
	CodeExpired:             "TX_EXPIRED",
}

// String returns the code's stable name.
func (c Code) String() string {
	if c < codeCount {
		return codeNames[c]
	}
	return fmt.Sprintf("TX_CODE_%d", uint8(c))
}

// IsFault reports whether a code says that the transaction could never have executed, in any state and at any time: no honest
// member puts such a transaction into a batch. A fault costs its sender nothing.
func (c Code) IsFault() bool {
	switch c {
	case CodeMalformed, CodeTooLarge, CodeWrongChain, CodeKindNotAllowed, CodeBadSignature:
		return true
	default:
		return false
	}
}

// IsCharged reports whether a signed transaction with this result has cost its sender the nonce.
func (c Code) IsCharged() bool {
	switch c {
	case CodeNonceUsed, CodeNonceTooFar, CodeUnknownAccount, CodeFeeTooLow, CodeExpired, CodeSkipped:
		return false
	default:
		return !c.IsFault()
	}
}

// MarshalText encodes the code by its stable name.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText decodes a stable name.
func (c *Code) UnmarshalText(text []byte) error {
	for i, name := range codeNames {
		if name == string(text) {
			*c = Code(i)
			return nil
		}
	}
	return fmt.Errorf("%w: unknown result code %q", ErrInvalid, text)
}

// Rejection is the error of a refused transaction.
type Rejection struct {
	Code   Code
	Reason string // the fault and how to fix it
}

// Error returns code and reason.
func (r *Rejection) Error() string { return r.Code.String() + ": " + r.Reason }

// Reject builds a Rejection with a formatted reason.
func Reject(code Code, format string, args ...any) *Rejection {
	return &Rejection{Code: code, Reason: fmt.Sprintf(format, args...)}
}
