package remora

import (
	"bytes"
	"fmt"
	"math/bits"
)

// SessionID numbers the sessions of a chain from 1, in the order in which they were opened.
type SessionID uint64

// Scheme tells how a session's receipts are signed. A receipt is valid under its session's scheme only.
type Scheme uint8

// SchemeBLS signs receipts by BLS12-381 in the min-sig form.
const SchemeBLS Scheme = 1

// Limits of a session.
const (
	MaxAllotments    = 32
	MaxSessionEpochs = 4096 // how far ahead a session may expire
)

// Allotment lets a node deliver a number of bytes in a session.
type Allotment struct {
	_     struct{} `cbor:",toarray"`
	Node  Address
	Bytes uint64
}

// OpenSession prepays deliveries. The coins for the bytes that a session allots to a node can be earned by that node only.
type OpenSession struct {
	_          struct{} `cbor:",toarray"`
	Number     uint64   // the owner's choice; no two sessions of an account that are not refunded have the same
	Scheme     Scheme
	Key        BLSPublicKey // signs the session's receipts
	Possession BLSSignature
	Expiry     Epoch       // the last epoch whose receipts count
	Allotments []Allotment // strictly increasing by node
}

// Check reports the first field that breaks a limit. It needs no state and does not verify Possession.
func (s *OpenSession) Check() error {
	switch {
	case s.Scheme != SchemeBLS:
		return fmt.Errorf("%w: the session's receipts have scheme %d, want %d (BLS)", ErrInvalid, s.Scheme, SchemeBLS)
	case len(s.Allotments) == 0 || len(s.Allotments) > MaxAllotments:
		return fmt.Errorf("%w: the session has %d allotments, want 1 to %d", ErrInvalid, len(s.Allotments), MaxAllotments)
	}
	for i, a := range s.Allotments {
		if a.Bytes == 0 || a.Bytes > MaxContentBytes {
			return fmt.Errorf("%w: an allotment has %d bytes, want 1 to 2^48", ErrInvalid, a.Bytes)
		}
		if i > 0 && bytes.Compare(s.Allotments[i-1].Node[:], a.Node[:]) >= 0 {
			return fmt.Errorf("%w: the allotments are not sorted by node, one for each", ErrInvalid)
		}
	}
	return nil
}

// CloseSession makes the present epoch the last one whose receipts count. The rest is refunded once no more claims on the
// session are possible.
type CloseSession struct {
	_       struct{} `cbor:",toarray"`
	Session SessionID
}

// Session is the chain's record of a session.
type Session struct {
	_      struct{}     `cbor:",toarray"`
	ID     SessionID    `json:"id"`
	Owner  Address      `json:"owner"`
	Number uint64       `json:"number"`
	Scheme Scheme       `json:"scheme"`
	Key    BLSPublicKey `json:"key"`
	Price  Amount       `json:"price" doc:"of a MiB, fixed when the session was opened"`
	Opened Epoch        `json:"opened"`
	Expiry Epoch        `json:"expiry" doc:"the last epoch whose receipts count"`
	Nodes  []Address    `cbor:"nodes" json:"-"` // that hold grants, strictly increasing; they are the documents' grants
}

// Grant is the present state of a session's allotment to one node.
type Grant struct {
	_       struct{} `cbor:",toarray"`
	Granted uint64   `json:"granted" doc:"bytes, when the session was opened"`
	Left    uint64   `json:"left" doc:"bytes that no claim has taken"`
	Held    Amount   `json:"held" doc:"coins that are prepaid for the bytes left"`
}

const mib = 1 << 20

// Value returns the value of bytes at a price per MiB, rounded down, and whether it fits an Amount.
func Value(bytes uint64, perMiB Amount) (Amount, bool) {
	hi, lo := bits.Mul64(bytes, uint64(perMiB))
	return Amount(hi<<44 | lo>>20), hi>>20 == 0
}

// Cost returns the value rounded up. It is prepaid for bytes, so that the values of parts of them never add up to more.
func Cost(bytes uint64, perMiB Amount) (Amount, bool) {
	v, fits := Value(bytes, perMiB)
	if _, lo := bits.Mul64(bytes, uint64(perMiB)); lo%mib == 0 || !fits {
		return v, fits
	}
	return v.Add(1)
}
