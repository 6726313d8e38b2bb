// Package strict decodes JSON from strangers: one document with nothing after it, no name twice in an object, bounded
// depth, valid UTF-8. What two parsers could read in two ways is refused.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
func Check(data []byte) error { return checkDocument(data, func(string) bool { return true }) }

// Decode checks data and decodes it into v, whose type names every member that may occur, in lower case. Names count to
// the letter, unlike those of the standard library: else one could stand in two spellings for two readers.
func Decode(data []byte, v any) error {
	if err := checkDocument(data, isPlainName); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: %v", ErrShape, err)
	}
	return nil
}

// isPlainName reports whether a name is one that the types of this project use.
func isPlainName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return name != ""
}

func checkDocument(data []byte, known func(name string) bool) error {
	if !utf8.Valid(data) || !json.Valid(data) {
		return ErrSyntax
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	w := walker{dec, known}
	return w.walkValue(MaxDepth)
}

// walker goes through a document that is known to be well-formed.
type walker struct {
	*json.Decoder
	known func(name string) bool
}

func (w walker) walkValue(depth int) error {
	token, err := w.Token()
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
		err = w.walkObject(depth - 1)
	} else {
		err = w.walkArray(depth - 1)
	}
	if err != nil {
		return err
	}
	_, err = w.Token()
	return err
}

func (w walker) walkObject(depth int) error {
	names := map[string]bool{}
	for w.More() {
		token, err := w.Token()
		if err != nil {
			return fmt.Errorf("%w: %v", ErrSyntax, err)
		}
		name, _ := token.(string)
		if names[name] || !w.known(name) {
			return fmt.Errorf("%w: the name %.64q is unknown or occurs twice in one object", ErrShape, name)
		}
		names[name] = true
		if err := w.walkValue(depth); err != nil {
			return err
		}
	}
	return nil
}

func (w walker) walkArray(depth int) error {
	for w.More() {
		if err := w.walkValue(depth); err != nil {
			return err
		}
	}
	return nil
}
