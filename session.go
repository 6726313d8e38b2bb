package remora

import (
	"bytes"
	"fmt"
	"math/bits"
)

// SessionID numbers the sessions of a chain in the order in which they were opened, from 1 on.
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

// Allotment is how many bytes of content a session lets a node deliver.
type Allotment struct {
	_     struct{} `cbor:",toarray"`
	Node  Address
	Bytes uint64
}

// OpenSession prepays deliveries: what a session allots to a node is the node's to earn and nobody else's to spend.
type OpenSession struct {
	_          struct{} `cbor:",toarray"`
	Number     uint64   // the owner's choice, of no other session of the account until that is refunded
	Scheme     Scheme
	Key        BLSPublicKey // signs the session's receipts
	Possession BLSSignature
	Expiry     Epoch       // the last epoch whose receipts count
	Allotments []Allotment // strictly increasing by node
}

// Check reports the first field that breaks a limit by itself. Possession is the caller's to verify.
func (s *OpenSession) Check() error {
	switch {
	case s.Scheme != SchemeBLS:
		return fmt.Errorf("%w: receipts of scheme %d, this version knows %d (BLS)", ErrInvalid, s.Scheme, SchemeBLS)
	case len(s.Allotments) == 0 || len(s.Allotments) > MaxAllotments:
		return fmt.Errorf("%w: %d allotments, want 1 to %d", ErrInvalid, len(s.Allotments), MaxAllotments)
	}
	for i, a := range s.Allotments {
		if a.Bytes == 0 || a.Bytes > MaxContentBytes {
			return fmt.Errorf("%w: an allotment of %d bytes, want 1 to 2^48", ErrInvalid, a.Bytes)
		}
		if i > 0 && bytes.Compare(s.Allotments[i-1].Node[:], a.Node[:]) >= 0 {
			return fmt.Errorf("%w: allotments are not strictly increasing by node", ErrInvalid)
		}
	}
	return nil
}

// CloseSession makes the present epoch the last one whose receipts count. What is left is refunded once no claim on it
// can come any more.
type CloseSession struct {
	_       struct{} `cbor:",toarray"`
	Session SessionID
}

// Session is what the chain knows of a session.
type Session struct {
	_      struct{}     `cbor:",toarray"`
	ID     SessionID    `json:"id"`
	Owner  Address      `json:"owner"`
	Number uint64       `json:"number"`
	Scheme Scheme       `json:"scheme"`
	Key    BLSPublicKey `json:"key"`
	Price  Amount       `json:"price"` // of a MiB, fixed when the session was opened
	Opened Epoch        `json:"opened"`
	Expiry Epoch        `json:"expiry"`
}

// Grant is a session's allotment for one node as it stands.
type Grant struct {
	_       struct{} `cbor:",toarray"`
	Granted uint64   `json:"granted"` // bytes, when the session was opened
	Left    uint64   `json:"left"`    // bytes that no claim has taken
	Held    Amount   `json:"held"`    // what is prepaid for them
}

const mib = 1 << 20

// Value returns what bytes are worth at a price per MiB, rounded down, and whether it fits.
func Value(bytes uint64, perMiB Amount) (Amount, bool) {
	hi, lo := bits.Mul64(bytes, uint64(perMiB))
	return Amount(hi<<44 | lo>>20), hi>>20 == 0
}

// Cost is Value rounded up: what is prepaid for bytes, so that parts of them never add up to more.
func Cost(bytes uint64, perMiB Amount) (Amount, bool) {
	v, fits := Value(bytes, perMiB)
	if _, lo := bits.Mul64(bytes, uint64(perMiB)); lo%mib == 0 || !fits {
		return v, fits
	}
	return v.Add(1)
}
