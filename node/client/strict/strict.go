// Package strict decodes JSON from strangers: one document with nothing after it, no name twice in an object, bounded
// depth, valid UTF-8. What two parsers could read in two ways is refused.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Reasons to refuse a document.
var (
	ErrSyntax = errors.New("not one JSON document in UTF-8")
	ErrShape  = errors.New("JSON that nobody should send")
)

// MaxDepth bounds the nesting of a document; nothing that this project exchanges comes near it.
const MaxDepth = 32

// Check reports whether data is one JSON document without repeated names and within MaxDepth.
func Check(data []byte) error {
	if !utf8.Valid(data) || !json.Valid(data) {
		return ErrSyntax
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return value(dec, MaxDepth)
}

// Decode checks data and decodes it into v, whose type names every member that may occur.
func Decode(data []byte, v any) error {
	if err := Check(data); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: %v", ErrShape, err)
	}
	return nil
}

func value(dec *json.Decoder, depth int) error {
	token, err := dec.Token()
	if err != nil {
		return fmt.Errorf("%w: %v", ErrSyntax, err)
	}
	delim, nested := token.(json.Delim)
	if !nested {
		return nil
	}
	if depth == 0 {
		return fmt.Errorf("%w: nested deeper than %d", ErrShape, MaxDepth)
	}
	if delim == '{' {
		err = object(dec, depth-1)
	} else {
		err = array(dec, depth-1)
	}
	if err != nil {
		return err
	}
	if _, err := dec.Token(); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %v", ErrSyntax, err)
	}
	return nil
}

func object(dec *json.Decoder, depth int) error {
	names := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return fmt.Errorf("%w: %v", ErrSyntax, err)
		}
		name, _ := token.(string)
		if names[name] {
			return fmt.Errorf("%w: the name %.64q occurs twice in one object", ErrShape, name)
		}
		names[name] = true
		if err := value(dec, depth); err != nil {
			return err
		}
	}
	return nil
}

func array(dec *json.Decoder, depth int) error {
	for dec.More() {
		if err := value(dec, depth); err != nil {
			return err
		}
	}
	return nil
}
