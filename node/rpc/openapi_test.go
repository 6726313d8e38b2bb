package rpc

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/client/strict"
	"github.com/remora-network/remora/node/light"
	"github.com/remora-network/remora/state/tree"
)

type operation struct {
	Summary    string                      `json:"summary"`
	Parameters []struct{ Name, In string } `json:"parameters"`
	Methods    map[string]map[string]any   `json:"x-methods"`
	Responses  map[string]map[string]any   `json:"responses"`
}

type document struct {
	OpenAPI    string
	Paths      map[string]map[string]operation
	Components struct {
		Schemas map[string]struct {
			Properties map[string]json.RawMessage
		}
	}
}

func parseOpenAPI(t *testing.T) document {
	t.Helper()
	if err := strict.Check(openAPI); err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %q", doc.OpenAPI)
	}
	return doc
}

// TestOpenAPIListsRoutes compares the document with the table of routes, both ways.
func TestOpenAPIListsRoutes(t *testing.T) {
	doc := parseOpenAPI(t)
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
		served = append(served, strings.TrimSuffix(op.pattern, "{$}"))
	}
	slices.Sort(documented)
	slices.Sort(served)
	if diff := cmp.Diff(served, documented); diff != "" {
		t.Errorf("routes (-served +documented):\n%s", diff)
	}
}

func TestOpenAPIListsMethods(t *testing.T) {
	documented := slices.Sorted(maps.Keys(parseOpenAPI(t).Paths["/"]["post"].Methods))
	if diff := cmp.Diff(slices.Sorted(maps.Keys(methods())), documented); diff != "" {
		t.Errorf("methods (-served +documented):\n%s", diff)
	}
}

// TestOpenAPISchemas compares the members of each schema with the type that is sent.
func TestOpenAPISchemas(t *testing.T) {
	sent := map[string]any{
		"Status": client.Status{}, "Certificate": client.Certificate{}, "Block": client.Block{}, "BlockProof": light.BlockProof{},
		"Account": client.Account{}, "RowProof": light.RowProof{}, "AccountProof": light.AccountProof{}, "Nonce": client.Nonce{},
		"Tx": client.Tx{}, "Rejected": client.Rejected{}, "Submitted": client.Submitted{}, "SentTx": sentTx{},
		"Node": client.Node{}, "Nodes": client.Nodes{}, "Grant": client.Grant{}, "Session": client.Session{},
		"Sessions": client.Sessions{}, "Claim": client.Claim{}, "Claims": client.Claims{}, "Event": client.Event{}, "Readiness": readiness{}, "Health": health{},
		"Error": errorDocument{}, "RPCResponse": response{},
	}
	doc := parseOpenAPI(t)
	for name, v := range sent {
		documented := slices.Sorted(maps.Keys(doc.Components.Schemas[name].Properties))
		if diff := cmp.Diff(members(reflect.TypeOf(v)), documented); diff != "" {
			t.Errorf("%s (-sent +documented):\n%s", name, diff)
		}
	}
	for _, ref := range regexp.MustCompile(`"#/components/schemas/(\w+)"`).FindAllSubmatch(openAPI, -1) {
		if _, known := doc.Components.Schemas[string(ref[1])]; !known {
			t.Errorf("no schema %s", ref[1])
		}
	}
	for name := range doc.Components.Schemas {
		if !strings.Contains(string(openAPI), `"#/components/schemas/`+name+`"`) && name != "SentTx" {
			t.Errorf("schema %s is not referred to", name)
		}
	}
	if leaf := members(reflect.TypeOf(tree.OtherLeaf{})); !slices.Equal(leaf, []string{"key", "value_hash"}) {
		t.Errorf("a leaf has %v", leaf)
	}
}

// members lists the names under which a struct's fields stand in JSON.
func members(typ reflect.Type) []string {
	var names []string
	for i := range typ.NumField() {
		field := typ.Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && tag == "":
			names = append(names, members(field.Type)...)
		case tag != "" && tag != "-":
			names = append(names, tag)
		}
	}
	slices.Sort(names)
	return names
}
