// Package strict decodes JSON from untrusted senders. It refuses whatever two parsers could read differently: a document
// must be valid UTF-8, have nothing after it, repeat no name in an object and nest at most [MaxDepth] levels. [Decode] also
// refuses names that the target does not have, in exactly that spelling.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// Reasons to refuse a document.
var (
	ErrSyntax = errors.New("not one JSON document in UTF-8")
	ErrShape  = errors.New("ambiguous or unexpected JSON")
)

// MaxDepth bounds the nesting of a document. The documents of this project nest far less.
const MaxDepth = 32

// Check reports whether data is one JSON document without repeated names and within MaxDepth.
func Check(data []byte) error {
	_, err := CheckWithin(data, math.MaxInt)
	return err
}

// CheckWithin is Check for a sender whose documents may have so many values in all, those in objects and arrays included.
// It returns how many are left.
func CheckWithin(data []byte, values int) (left int, err error) {
	err = checkDocument(data, func(string) bool { return true }, &values)
	return values, err
}

// Decode checks data and decodes it into v, whose type has a lower-case name for every member that may occur. Unlike those
// of encoding/json, names are case-sensitive, so that a member has one spelling for every reader.
func Decode(data []byte, v any) error {
	values := math.MaxInt
	if err := checkDocument(data, isPlainName, &values); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%w: %v", ErrShape, err)
	}
	return nil
}

// isPlainName reports whether a name has the form that types of this project use.
func isPlainName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return name != ""
}

func checkDocument(data []byte, known func(name string) bool, values *int) error {
	if !utf8.Valid(data) || !json.Valid(data) {
		return ErrSyntax
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	w := walker{dec, known, values}
	return w.walkValue(MaxDepth)
}

// walker walks through a well-formed document.
type walker struct {
	*json.Decoder
	known  func(name string) bool
	values *int // that may follow
}

func (w walker) walkValue(depth int) error {
	if *w.values--; *w.values < 0 {
		return fmt.Errorf("%w: too many values", ErrShape)
	}
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
	names := map[string]bool{}
	for w.More() {
		if delim == '{' {
			if err := w.walkName(names); err != nil {
				return err
			}
		}
		if err := w.walkValue(depth - 1); err != nil {
			return err
		}
	}
	_, err = w.Token()
	return err
}

// walkName reads the name of a member and adds it to the names of its object.
func (w walker) walkName(names map[string]bool) error {
	token, err := w.Token()
	if err != nil {
		return fmt.Errorf("%w: %v", ErrSyntax, err)
	}
	name, _ := token.(string)
	if names[name] || !w.known(name) {
		return fmt.Errorf("%w: the name %.64q is unknown or occurs twice in one object", ErrShape, name)
	}
	names[name] = true
	return nil
}
