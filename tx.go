package remora

import (
	"errors"
	"fmt"
)

// Kind says what a transaction does. It is the first field on the wire: never renumber one.
type Kind uint8

// The kinds of transactions.
const (
	KindOpaque       Kind = 0 // bytes without signature or meaning, on development chains only
	KindTransfer     Kind = 1
	KindRegisterNode Kind = 2

	KindRegisterContent Kind = 3

	KindOpenSession  Kind = 4
	KindCloseSession Kind = 5
	KindCommitClaim  Kind = 6
	KindOpenClaim    Kind = 7
)

var kindNames = [...]string{
	KindOpaque:          "opaque",
	KindTransfer:        "transfer",
	KindRegisterNode:    "register-node",
	KindRegisterContent: "register-content",
	KindOpenSession:     "open-session",
	KindCloseSession:    "close-session",
	KindCommitClaim:     "commit-claim",
	KindOpenClaim:       "open-claim",
}

// String returns the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// Tx is a signed transaction.
type Tx struct {
	_          struct{} `cbor:",toarray"`
	Kind       Kind
	ChainID    string // so that a transaction for another chain is refused as such
	From       Address
	Nonce      uint64
	Fee        Amount
	ValidUntil Epoch     // the last epoch of whose batches it may be part
	Body       []byte    // canonical CBOR of the kind's body
	Signature  Signature // by From over Message
}

// SignedHead is the first byte of every signed transaction: an array of eight elements.
const SignedHead = 0x88

// opaqueTx is the wire form of an opaque transaction.
type opaqueTx struct {
	_       struct{} `cbor:",toarray"`
	Kind    Kind
	Payload []byte
}

// opaqueHead starts every encoded opaque transaction and no signed one: an array of two elements, the first of them 0.
const opaqueHead = "\x82\x00"

// Transfer moves base units to an account, which it creates if necessary.
type Transfer struct {
	_      struct{} `cbor:",toarray"`
	To     Address
	Amount Amount
}

// IsOpaque reports whether raw starts like an opaque transaction.
func IsOpaque(raw []byte) bool { return len(raw) > 2 && string(raw[:2]) == opaqueHead }

// EncodeOpaque returns an opaque transaction with a payload.
func EncodeOpaque(payload []byte) []byte { return Encode(opaqueTx{Payload: payload}) }

// DecodeOpaque returns the payload of an opaque transaction.
func DecodeOpaque(raw []byte) ([]byte, error) {
	var tx opaqueTx
	if err := decodeTx(raw, &tx); err != nil {
		return nil, err
	}
	if tx.Kind != KindOpaque {
		return nil, Reject(CodeMalformed, "an opaque transaction has kind 0, not %d", tx.Kind)
	}
	return tx.Payload, nil
}

// DecodeTx decodes a signed transaction. The error is a Rejection.
func DecodeTx(raw []byte) (*Tx, error) {
	tx := new(Tx)
	if err := decodeTx(raw, tx); err != nil {
		return nil, err
	}
	return tx, nil
}

func decodeTx(raw []byte, v any) error {
	err := Decode(raw, MaxTxBytes, v)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrTooLarge):
		return Reject(CodeTooLarge, "%v", err)
	}
	return Reject(CodeMalformed, "%v", err)
}

// DecodeBody decodes a transaction's body into v. The error is a Rejection.
func (t *Tx) DecodeBody(v any) error {
	if err := Decode(t.Body, MaxTxBytes, v); err != nil {
		return Reject(CodeMalformedBody, "the body is not that of a %s: %v", t.Kind, err)
	}
	return nil
}

// Message returns the message that the signature covers on the chain of a domain.
func (t *Tx) Message(d Domain) Hash {
	p := newPreimage("remora/tx/2", d).addUint(uint64(t.Kind)).addBytes([]byte(t.ChainID)).addBytes(t.From[:])
	return p.addUint(t.Nonce).addUint(uint64(t.Fee)).addUint(uint64(t.ValidUntil)).addBytes(t.Body).sumDigest()
}

// TxHash returns the hash that names a transaction.
func TxHash(raw []byte) Hash { return SumBLAKE3(raw) }
