package rpc

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora/node/client/strict"
)

type described struct {
	Summary    string                      `json:"summary"`
	Parameters []struct{ Name, In string } `json:"parameters"`
	Methods    map[string]map[string]any   `json:"x-methods"`
	Responses  map[string]map[string]any   `json:"responses"`
}

type document struct {
	OpenAPI    string
	Paths      map[string]map[string]described
	Components struct {
		Schemas map[string]struct {
			Properties map[string]json.RawMessage
		}
	}
}

func parseOpenAPI(t *testing.T) (document, []byte) {
	t.Helper()
	data, err := describeAPI(operations())
	if err != nil {
		t.Fatal(err)
	}
	if err := strict.Check(data); err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %q", doc.OpenAPI)
	}
	return doc, data
}

// TestOpenAPIListsRoutes compares the document with the table of routes, both ways.
func TestOpenAPIListsRoutes(t *testing.T) {
	doc, _ := parseOpenAPI(t)
	var documented, served []string
	for path, operations := range doc.Paths {
		for method, op := range operations {
			documented = append(documented, strings.ToUpper(method)+" "+path)
			if op.Summary == "" || len(op.Responses) == 0 {
				t.Errorf("%s %s has no summary or no responses", method, path)
			}
			for _, part := range strings.Split(path, "/") {
				name, isParameter := strings.CutPrefix(part, "{")
				described := slices.ContainsFunc(op.Parameters, func(p struct{ Name, In string }) bool {
					return p.Name+"}" == name && p.In == "path"
				})
				if isParameter && !described {
					t.Errorf("%s does not describe %s", path, part)
				}
			}
		}
	}
	for _, op := range operations() {
		if op.Route != "" {
			served = append(served, strings.TrimSuffix(op.Route, "{$}"))
		}
	}
	slices.Sort(documented)
	slices.Sort(served)
	if diff := cmp.Diff(served, documented); diff != "" {
		t.Errorf("routes (-served +documented):\n%s", diff)
	}
}

func TestOpenAPIListsMethods(t *testing.T) {
	doc, _ := parseOpenAPI(t)
	documented := slices.Sorted(maps.Keys(doc.Paths["/"]["post"].Methods))
	if diff := cmp.Diff(slices.Sorted(maps.Keys(callsByName())), documented); diff != "" {
		t.Errorf("methods (-served +documented):\n%s", diff)
	}
}

// TestOpenAPISchemas compares the schemas with the references to them, both ways, and those of openapi.json with what
// is sent.
func TestOpenAPISchemas(t *testing.T) {
	doc, data := parseOpenAPI(t)
	for _, ref := range regexp.MustCompile(`"#/components/schemas/(\w+)"`).FindAllSubmatch(data, -1) {
		if _, known := doc.Components.Schemas[string(ref[1])]; !known {
			t.Errorf("no schema %s", ref[1])
		}
	}
	for name := range doc.Components.Schemas {
		if !strings.Contains(string(data), `"#/components/schemas/`+name+`"`) && name != "SentTxs" {
			t.Errorf("schema %s is not referred to", name)
		}
	}
	for name, want := range map[string][]string{
		"Error": {"error"}, "RPCResponse": {"error", "id", "jsonrpc", "result"}, "OtherLeaf": {"key", "value_hash"},
	} {
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(doc.Components.Schemas[name].Properties))); diff != "" {
			t.Errorf("%s (-sent +documented):\n%s", name, diff)
		}
	}
}

// TestOpenAPINames checks that no two documents stand under one name.
func TestOpenAPINames(t *testing.T) {
	byName := map[string]reflect.Type{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			visit(typ.Elem())
		case reflect.Struct:
			name := schemaName(typ)
			if other, known := byName[name]; known && other != typ {
				t.Errorf("%s and %s are both described as %s", typ, other, name)
			}
			if byName[name] == typ || scalars[typ] != nil {
				return
			}
			byName[name] = typ
			for _, f := range reflect.VisibleFields(typ) {
				if !f.Anonymous && f.Tag.Get("json") != "" {
					visit(f.Type)
				}
			}
		default: // a scalar refers to no document
		}
	}
	for _, op := range operations() {
		for _, typ := range op.answers {
			visit(typ)
		}
	}
}

// TestOpenAPIKeeps compares the document with testdata/openapi.json, the first one that was published: what it says of
// paths, parameters and documents still holds.
func TestOpenAPIKeeps(t *testing.T) {
	_, data := parseOpenAPI(t)
	published, err := os.ReadFile("testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var before, now any
	if err := json.Unmarshal(published, &before); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &now); err != nil {
		t.Fatal(err)
	}
	keeps{t, now}.compare("", before, now)
}

// corrected lists what the first description said wrongly, and what it says now.
var corrected = map[string]string{
	"/paths///post/x-methods/session/params/properties/id/minimum":  "session 0 is not found, as any other that was not opened",
	"/paths//v1/sessions/{id}/get/parameters/id/schema/minimum":     "the same",
	"/components/schemas/Node/properties/header_key/$ref":           "an Ed25519 key of 32 bytes, not any bytes",
	"/components/schemas/Submitted/properties/tx/items/description": "the description of tx says it",
}

// keeps compares an older description with a newer one.
type keeps struct {
	t    *testing.T
	root any
}

// compare reports what of a value before is not in the value now, at a path of the document.
func (k keeps) compare(at string, before, now any) {
	switch before := before.(type) {
	case map[string]any:
		now, same := k.resolve(before, now).(map[string]any)
		if !same {
			k.t.Errorf("%s is no object any more", at)
			return
		}
		for name, value := range before {
			_, kept := now[name]
			if corrected[at+"/"+name] != "" {
				continue
			}
			if kept {
				k.compare(at+"/"+name, value, now[name])
			} else if !strings.HasPrefix(at, "/components/schemas/") || name != "description" || strings.Contains(at, "/properties/") {
				k.t.Errorf("%s: %s is gone", at, name)
			}
		}
	case []any:
		now, same := now.([]any)
		if !same || len(now) < len(before) {
			k.t.Errorf("%s: %v became %v", at, before, now)
			return
		}
		for _, value := range before {
			if name, isNamed := nameOf(value); isNamed {
				i := slices.IndexFunc(now, func(other any) bool { n, _ := nameOf(other); return n == name })
				if i < 0 {
					k.t.Errorf("%s: %s is gone", at, name)
					continue
				}
				k.compare(at+"/"+name, value, now[i])
				continue
			}
			if !slices.ContainsFunc(now, func(other any) bool { return cmp.Equal(value, other) }) {
				k.t.Errorf("%s: %v is gone, there is %v", at, value, now)
			}
		}
	default:
		switch at[strings.LastIndex(at, "/")+1:] {
		case "description", "summary", "result": // prose may improve
			if now == "" {
				k.t.Errorf("%s is empty", at)
			}
			return
		}
		if before != now {
			k.t.Errorf("%s: %v became %v", at, before, now)
		}
	}
}

// resolve follows a reference that stands where the older description had the schema itself.
func (k keeps) resolve(before map[string]any, now any) any {
	object, _ := now.(map[string]any)
	ref, isRef := object["$ref"].(string)
	if _, wasRef := before["$ref"]; !isRef || wasRef {
		return now
	}
	now = k.root
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		now = now.(map[string]any)[name]
	}
	return now
}

// nameOf returns the name of a parameter.
func nameOf(value any) (string, bool) {
	object, _ := value.(map[string]any)
	name, isNamed := object["name"].(string)
	return name, isNamed
}
