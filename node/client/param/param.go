// Package param decodes and encodes the parameters of a method of the API. They are the fields of a struct, whose tags name
// them in a JSON object (JSON-RPC) and in the path, query and headers of an HTTP request:
//
//	type Query struct {
//		Height remora.Height `json:"height" doc:"of the block"`
//		WaitMS uint64        `json:"wait_ms" http:"wait" default:"0" max:"30000"`
//		After  *remora.Hash  `json:"after"`
//	}
//
// json is the name in an object. http, by default the same, is the name of a wildcard of the route if the route has it,
// else of a key of the query, and with in:"header" of a header. "-" leaves a parameter out of the object or the request.
// A field that is no pointer and has no default is required. min and max bound numbers, and doc describes the parameter.
//
// Decoding is strict: unknown and repeated names in an object, numbers out of bounds and missing values are errors, whose
// texts are for the caller of the method. DecodeHTTP reverses EncodeHTTP.
package param

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/remora-network/remora/node/client/strict"
)

// Field is one parameter.
type Field struct {
	JSON     string // name in an object; empty: none
	HTTP     string // name in a request; empty: none
	Header   bool   // HTTP names a header
	Type     reflect.Type
	Required bool
	Default  string // as JSON; empty: none
	Min, Max uint64 // of a number
	Doc      string

	index []int
}

// Fields returns the parameters that a struct type declares, including those of embedded structs.
func Fields(t reflect.Type) []Field {
	var fields []Field
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous {
			continue
		}
		field := Field{
			JSON: f.Tag.Get("json"), HTTP: f.Tag.Get("http"), Header: f.Tag.Get("in") == "header",
			Type: f.Type, Default: f.Tag.Get("default"), Doc: f.Tag.Get("doc"), index: f.Index,
			Min: numberTag(f.Tag, "min", 0), Max: numberTag(f.Tag, "max", math.MaxUint64),
		}
		if field.HTTP == "" {
			field.HTTP = field.JSON
		}
		field.JSON, field.HTTP = strings.TrimPrefix(field.JSON, "-"), strings.TrimPrefix(field.HTTP, "-")
		field.Required = f.Type.Kind() != reflect.Pointer && field.Default == ""
		fields = append(fields, field)
	}
	return fields
}

func numberTag(tag reflect.StructTag, key string, none uint64) uint64 {
	n, err := strconv.ParseUint(tag.Get(key), 10, 64)
	if err != nil {
		return none
	}
	return n
}

// DecodeJSON decodes a JSON object into parameters, a pointer to a struct. Without data the object is empty.
func DecodeJSON(data []byte, parameters any) error {
	members := map[string]json.RawMessage{}
	if data != nil {
		if !bytes.HasPrefix(data, []byte("{")) {
			return errors.New("want an object: parameters are named")
		}
		if err := strict.Check(data); err != nil {
			return err
		}
		if err := json.Unmarshal(data, &members); err != nil {
			return err
		}
	}
	fields := Fields(reflect.TypeOf(parameters).Elem())
	for name := range members {
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.JSON == name && name != "" }) {
			return fmt.Errorf("the name %.64q is unknown", name)
		}
	}
	return fillFields(parameters, fields, func(f Field) (string, json.RawMessage, error) {
		value := members[f.JSON]
		if string(value) == "null" {
			value = nil
		}
		return f.JSON, value, nil
	})
}

// DecodeHTTP decodes a request that a route matched into parameters, a pointer to a struct. It ignores other keys of the
// query, and an empty value counts as missing.
func DecodeHTTP(r *http.Request, parameters any) error {
	query := r.URL.Query()
	return fillFields(parameters, Fields(reflect.TypeOf(parameters).Elem()), func(f Field) (string, json.RawMessage, error) {
		text := r.PathValue(f.HTTP)
		switch {
		case f.HTTP == "":
		case f.Header:
			text = r.Header.Get(f.HTTP)
		case text == "":
			text = query.Get(f.HTTP)
		}
		if text == "" {
			return f.HTTP, nil, nil
		}
		value, err := f.parseText(text)
		return f.HTTP, value, err
	})
}

// fillFields sets every field to the JSON value that find returns for it, else to its default.
func fillFields(parameters any, fields []Field, find func(Field) (name string, value json.RawMessage, err error)) error {
	v := reflect.ValueOf(parameters).Elem()
	for _, f := range fields {
		name, value, err := find(f)
		if err == nil {
			err = f.setValue(v.FieldByIndex(f.index), value)
		}
		switch {
		case err == nil:
		case errors.Is(err, errMissing):
			return fmt.Errorf("%s %w", name, err)
		case strings.HasPrefix(err.Error(), name+":"): // the type names itself
			return err
		default:
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

var errMissing = errors.New("is missing")

// setValue sets a field to a JSON value, nil for none.
func (f Field) setValue(target reflect.Value, value json.RawMessage) error {
	if value == nil {
		if f.Required {
			return errMissing
		}
		if value = json.RawMessage(f.Default); f.Default == "" {
			return nil
		}
	}
	err := json.Unmarshal(value, target.Addr().Interface())
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mistyped):
		return fmt.Errorf("a JSON %s, want %s", mistyped.Value, f.describeType())
	case err != nil:
		return err
	case f.Required && target.Kind() == reflect.String && target.Len() == 0:
		return errMissing
	case target.CanUint() && (target.Uint() < f.Min || target.Uint() > f.Max):
		return fmt.Errorf("%d, want %d to %d", target.Uint(), f.Min, f.Max)
	}
	return nil
}

// isText reports whether the JSON form of a field is a string.
func (f Field) isText() bool {
	return f.valueType().Kind() == reflect.String || reflect.PointerTo(f.valueType()).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// valueType returns the type of a field, without the pointer of an optional one.
func (f Field) valueType() reflect.Type {
	if f.Type.Kind() == reflect.Pointer {
		return f.Type.Elem()
	}
	return f.Type
}

func (f Field) describeType() string {
	switch {
	case f.isText():
		return "a string"
	case f.valueType().Kind() == reflect.Bool:
		return "true or false"
	case f.valueType().Kind() == reflect.Slice:
		return "an array of strings"
	}
	return "a whole number that is not negative"
}

// parseText returns the JSON value of a text in a request.
func (f Field) parseText(text string) (json.RawMessage, error) {
	if f.isText() {
		return json.Marshal(text)
	}
	if f.valueType().Kind() == reflect.Bool {
		switch text {
		case "0", "false":
			return json.RawMessage("false"), nil
		case "1", "true":
			return json.RawMessage("true"), nil
		}
		return nil, fmt.Errorf("%.20q, want 1 or 0", text)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%.24q is not a decimal number", text)
	}
	return strconv.AppendUint(nil, n, 10), nil
}

// EncodeHTTP returns the path and query of a request that carries parameters, a struct, to a route such as
// /v1/blocks/{height}. Headers and values that equal their default are left out.
func EncodeHTTP(route string, parameters any) (string, error) {
	query := url.Values{}
	v := reflect.ValueOf(parameters)
	for _, f := range Fields(v.Type()) {
		value, err := json.Marshal(v.FieldByIndex(f.index).Interface())
		if err != nil {
			return "", err
		}
		if f.HTTP == "" || f.Header || string(value) == "null" || string(value) == f.Default {
			continue
		}
		text := formatText(value)
		if wildcard := "{" + f.HTTP + "}"; strings.Contains(route, wildcard) {
			route = strings.Replace(route, wildcard, url.PathEscape(text), 1)
		} else {
			query.Set(f.HTTP, text)
		}
	}
	if len(query) > 0 {
		route += "?" + query.Encode()
	}
	return route, nil
}

// formatText returns the text of a JSON value in a request. It is the inverse of parseText.
func formatText(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	if string(value) == "true" {
		return "1"
	}
	return string(value)
}
