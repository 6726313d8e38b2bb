package remora

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Bounds of the decoder. The limit that is passed to Decode bounds a message as well.
const (
	maxArrayElements = 1 << 16
	maxMapPairs      = 64
	maxNestedLevels  = 8
)

var (
	encoder = newEncoder()
	decoder = newDecoder()
)

func newEncoder() cbor.EncMode {
	opts := cbor.CoreDetEncOptions()
	opts.NilContainers = cbor.NilContainerAsEmpty // nil and empty lists have one encoding
	mode, err := opts.EncMode()
	if err != nil {
		panic("remora: encoder options: " + err.Error())
	}
	return mode
}

func newDecoder() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   maxNestedLevels,
		MaxArrayElements:  maxArrayElements,
		MaxMapPairs:       maxMapPairs,
		UTF8:              cbor.UTF8RejectInvalid,
		NaN:               cbor.NaNDecodeForbidden,
		Inf:               cbor.InfDecodeForbidden,
		BignumTag:         cbor.BignumTagForbidden,
	}.DecMode()
	if err != nil {
		panic("remora: decoder options: " + err.Error())
	}
	return mode
}

// Encode returns the canonical CBOR of v, a type of this module. It panics on a type that CBOR cannot represent, which is
// a bug in the caller and never depends on input.
func Encode(v any) []byte {
	b, err := encoder.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("remora: encode %T: %v", v, err))
	}
	return b
}

// Decode reads the canonical CBOR in b into v. It refuses more than limit bytes (ErrTooLarge) before it reads them, bytes
// that are not CBOR of v's shape (ErrMalformed), and every encoding but the canonical one (ErrNonCanonical).
func Decode(b []byte, limit int, v any) error {
	if len(b) > limit {
		return fmt.Errorf("%w: %d bytes, at most %d allowed", ErrTooLarge, len(b), limit)
	}
	if err := decoder.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	again, err := encoder.Marshal(v)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("%w: send core deterministic CBOR (RFC 8949 §4.2.1)", ErrNonCanonical)
	}
	return nil
}
