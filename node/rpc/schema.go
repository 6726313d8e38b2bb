package rpc

import (
	"encoding"
	"maps"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client/param"
)

// schemas holds the schemas of documents by name. Describing a type adds the schemas that it refers to.
type schemas map[string]any

func schemaReference(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// schemaName returns the name of a document in the description.
func schemaName(t reflect.Type) string {
	name := []rune(t.Name())
	name[0] = unicode.ToUpper(name[0])
	return string(name)
}

// scalars describes the types whose JSON form reflection cannot tell.
var scalars = map[reflect.Type]object{
	reflect.TypeFor[remora.Hash]():       schemaReference("Hash"),
	reflect.TypeFor[remora.Address]():    schemaReference("Address"),
	reflect.TypeFor[remora.Amount]():     schemaReference("Amount"),
	reflect.TypeFor[remora.Genesis]():    schemaReference("Genesis"),
	reflect.TypeFor[remora.Millis]():     {"type": "integer", "minimum": 0, "description": "Unix time in milliseconds"},
	reflect.TypeFor[remora.ClaimState](): {"enum": claimStates()},
	reflect.TypeFor[remora.Roles]():      {"type": "string", "description": "of validator, cache, gateway, separated by commas"},
	reflect.TypeFor[remora.Scheme]():     {"type": "integer", "minimum": 0, "description": "1: BLS"},
}

func claimStates() []string {
	var names []string
	for s := remora.ClaimCommitted; s <= remora.ClaimSlashed; s++ {
		names = append(names, s.String())
	}
	return names
}

// schemaOf returns the schema of a type; that of a struct is a reference.
func (s schemas) schemaOf(t reflect.Type) object {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if schema, known := scalars[t]; known {
		return schema
	}
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		if k := t.Kind(); k == reflect.Array || k == reflect.Slice {
			return schemaReference("Hex")
		}
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Slice:
		return object{"type": "array", "items": s.schemaOf(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.schemaOf(t.Elem())}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Struct:
		name := schemaName(t)
		if _, known := s[name]; !known {
			s[name] = nil // it may contain itself
			s[name] = s.describeStruct(t)
		}
		return schemaReference(name)
	default:
		return object{"type": "integer", "minimum": 0}
	}
}

// describeStruct returns the schema of a document from the json, min and doc tags of its fields.
func (s schemas) describeStruct(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "" || name == "-" {
			continue
		}
		schema := maps.Clone(s.schemaOf(f.Type))
		if least, err := strconv.Atoi(f.Tag.Get("min")); err == nil {
			schema["items"] = object{"type": "integer", "minimum": least}
		}
		if option == "" {
			required = append(required, name)
			if f.Type.Kind() == reflect.Pointer {
				schema = nullableSchema(schema)
			}
		}
		properties[name] = documentSchema(schema, f.Tag.Get("doc"))
	}
	return object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

func nullableSchema(schema object) object {
	if name, simple := schema["type"]; simple {
		return object{"type": []any{name, "null"}}
	}
	return object{"oneOf": []any{schema, object{"type": "null"}}}
}

// documentSchema adds the documentation of a field to that of its type.
func documentSchema(schema object, doc string) object {
	if doc == "" {
		return schema
	}
	if own, ok := schema["description"].(string); ok {
		doc += ", " + own
	}
	schema["description"] = doc
	return schema
}

// describeField returns the schema of a parameter.
func (s schemas) describeField(f param.Field) object {
	schema := maps.Clone(s.schemaOf(f.Type))
	if f.Min > 0 {
		schema["minimum"] = f.Min
	}
	if f.Max < math.MaxUint64 {
		schema["maximum"] = f.Max
	}
	if number, err := strconv.ParseUint(f.Default, 10, 64); err == nil && number > 0 {
		schema["default"] = number
	}
	return schema
}
