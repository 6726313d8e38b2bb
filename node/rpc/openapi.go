package rpc

import (
	_ "embed"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/client/param"
)

// openAPI describes everything but the declared methods: the JSON-RPC envelope, submission, health, errors and scalars.
//
//go:embed openapi.json
var openAPI []byte

// object is a JSON object of the description.
type object = map[string]any

// describeAPI returns the OpenAPI document: openapi.json completed by the declarations of the operations.
func describeAPI(operations []operation) ([]byte, error) {
	var doc struct {
		OpenAPI    string            `json:"openapi"`
		Info       json.RawMessage   `json:"info"`
		Servers    json.RawMessage   `json:"servers"`
		Paths      map[string]object `json:"paths"`
		Components struct {
			Schemas schemas `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		return nil, err
	}
	all := doc.Components.Schemas
	for _, v := range []any{client.Submitted{}, readiness{}, health{}} {
		all.schemaOf(reflect.TypeOf(v))
	}
	methods, names := object{}, []string{}
	for _, op := range operations {
		if op.parameters == nil {
			continue
		}
		if op.Name != "" {
			methods[op.Name] = all.describeCall(op)
			names = append(names, op.Name)
		}
		if op.Route == "" {
			continue
		}
		verb, path, _ := strings.Cut(op.Route, " ")
		if doc.Paths[path] == nil {
			doc.Paths[path] = object{}
		}
		doc.Paths[path][strings.ToLower(verb)] = all.describeRoute(op, path)
	}
	doc.Paths["/"]["post"].(object)["x-methods"] = methods
	all["RPCRequest"].(object)["properties"].(object)["method"] = object{"enum": names}
	return json.MarshalIndent(doc, "", "  ")
}

// describeCall returns the parameters of a JSON-RPC method as the schema of an object, and the names of its documents.
func (s schemas) describeCall(op operation) object {
	properties, required := object{}, []string{}
	for _, f := range param.Fields(op.parameters) {
		if f.JSON == "" {
			continue
		}
		properties[f.JSON] = documentSchema(s.describeField(f), f.Doc)
		if f.Required {
			required = append(required, f.JSON)
		}
	}
	var names []string
	for _, t := range op.answers {
		s.schemaOf(t)
		names = append(names, schemaName(t))
	}
	return object{
		"summary": op.Summary, "result": strings.Join(names, " or "),
		"params": object{"type": "object", "properties": properties, "required": required, "additionalProperties": false},
	}
}

// describeRoute returns the OpenAPI operation of a route.
func (s schemas) describeRoute(op operation, path string) object {
	parameters := []object{}
	for _, f := range param.Fields(op.parameters) {
		if f.HTTP == "" {
			continue
		}
		schema := s.describeField(f)
		if f.Type.Kind() == reflect.Bool {
			schema = object{"enum": []string{"0", "1"}}
		}
		in := "query"
		switch {
		case f.Header:
			in = "header"
		case strings.Contains(path, "{"+f.HTTP+"}"):
			in = "path"
		}
		parameter := object{"name": f.HTTP, "in": in, "schema": schema, "required": f.Required || in == "path"}
		if f.Doc != "" {
			parameter["description"] = f.Doc
		}
		parameters = append(parameters, parameter)
	}
	failure := object{"description": "an error", "content": object{"application/json": object{"schema": schemaReference("Error")}}}
	return object{
		"operationId": op.ID, "summary": op.Summary, "parameters": parameters,
		"responses": object{"200": object{"description": "the answer", "content": s.describeAnswer(op)}, "default": failure},
	}
}

func (s schemas) describeAnswer(op operation) object {
	media := op.Media
	switch {
	case media == "":
		media = "application/json"
	case strings.HasPrefix(media, "application/"):
		return object{media: object{}} // binary
	}
	var documents []object
	for _, t := range op.answers {
		documents = append(documents, s.schemaOf(t))
	}
	schema := documents[0]
	if len(documents) > 1 {
		schema = object{"oneOf": documents}
	}
	return object{media: object{"schema": schema}}
}
