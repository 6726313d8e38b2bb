package param_test

import (
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client/param"
)

type page struct {
	After *remora.Hash `json:"after"`
	Limit uint64       `json:"limit" default:"100" min:"1" max:"1000"`
}

type query struct {
	Name   string         `json:"node" http:"name"`
	Height remora.Height  `json:"height"`
	Prove  bool           `json:"prove" default:"false"`
	WaitMS uint64         `json:"-" http:"wait" default:"0" max:"30000"`
	Only   *remora.Amount `json:"only" http:"-"`
	Last   *remora.Height `json:"-" http:"Last-Event-ID" in:"header"`
	page
}

const route = "/v1/nodes/{name}/blocks/{height}"

// decodeHTTP has a real mux parse a request, so that wildcards are those of the standard library.
func decodeHTTP(t *testing.T, target string, header ...string) (query, error) {
	t.Helper()
	var q query
	var err error
	called := false
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+route, func(_ http.ResponseWriter, r *http.Request) {
		called, err = true, param.DecodeHTTP(r, &q)
	})
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if mux.ServeHTTP(httptest.NewRecorder(), r); !called {
		t.Fatalf("%s has no route", target)
	}
	return q, err
}

func TestDecode(t *testing.T) {
	hash := remora.Hash{1}
	three, seven := remora.Amount(3), remora.Height(7)
	text := hash.String()
	tests := []struct {
		name, object, target string // either may be empty
		want                 query
		problem              string // in the error; empty: none
	}{
		{"least", `{"node":"a","height":1}`, "/v1/nodes/a/blocks/1", query{Name: "a", Height: 1, page: page{Limit: 100}}, ""},
		{
			"all of an object", `{"node":"a","height":1,"prove":true,"only":"3","after":"` + text + `","limit":1}`, "",
			query{Name: "a", Height: 1, Prove: true, Only: &three, page: page{&hash, 1}},
			"",
		},
		{
			"all of a request", "", "/v1/nodes/a%2Fb/blocks/01?prove=1&wait=30000&after=" + text + "&limit=1000",
			query{Name: "a/b", Height: 1, Prove: true, WaitMS: 30_000, Last: &seven, page: page{&hash, 1000}},
			"",
		},
		{"null is absent", `{"node":"a","height":1,"after":null,"limit":null}`, "", query{Name: "a", Height: 1, page: page{Limit: 100}}, ""},
		{"empty is absent", "", "/v1/nodes/a/blocks/1?limit=&after=", query{Name: "a", Height: 1, page: page{Limit: 100}}, ""},
		{"other keys", "", "/v1/nodes/a/blocks/1?only=3&other=1&height=9", query{Name: "a", Height: 1, page: page{Limit: 100}}, ""},
		{"nothing", `{}`, "", query{}, "node is missing"},
		{"empty name", `{"node":"","height":1}`, "", query{}, "node is missing"},
		{"unknown name", `{"node":"a","height":1,"name":"a"}`, "", query{}, `"name" is unknown`},
		{"name of HTTP", `{"node":"a","height":1,"wait":1}`, "", query{}, `"wait" is unknown`},
		{"empty member", `{"node":"a","height":1,"":1}`, "", query{}, "unknown"},
		{"dash", `{"node":"a","height":1,"-":1}`, "", query{}, "unknown"},
		{"repeated", `{"node":"a","height":1,"height":1}`, "", query{}, "twice"},
		{"other case", `{"node":"a","Height":1}`, "", query{}, "unknown"},
		{"array", `[1]`, "", query{}, "want an object"},
		{"null", `null`, "", query{}, "want an object"},
		{"wrong type", `{"node":"a","height":"1"}`, "", query{}, "height"},
		{"out of range", `{"node":"a","height":18446744073709551616}`, "/v1/nodes/a/blocks/18446744073709551616", query{}, "height"},
		{"negative", `{"node":"a","height":-1}`, "/v1/nodes/a/blocks/-1", query{}, "height"},
		{"fraction", `{"node":"a","height":1.0}`, "/v1/nodes/a/blocks/1.0", query{}, "height"},
		{"too little", `{"node":"a","height":1,"limit":0}`, "/v1/nodes/a/blocks/1?limit=0", query{}, "limit: 0, want 1 to 1000"},
		{"too much", `{"node":"a","height":1,"limit":1001}`, "/v1/nodes/a/blocks/1?limit=1001", query{}, "limit: 1001, want 1 to 1000"},
		{"upper case", `{"node":"a","height":1,"after":"` + strings.ToUpper(text[:62]) + `AB"}`, "/v1/nodes/a/blocks/1?after=" + text[:62] + "AB", query{}, "after"},
		{"perhaps", `{"node":"a","height":1,"prove":"1"}`, "/v1/nodes/a/blocks/1?prove=perhaps", query{}, "prove"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check := func(form string, got query, err error) {
				t.Helper()
				switch {
				case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
					t.Errorf("%s: %v, want %s", form, err, tt.problem)
				case tt.problem == "" && err != nil:
					t.Errorf("%s: %v", form, err)
				case tt.problem == "":
					if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(query{})); diff != "" {
						t.Errorf("%s (-want +got):\n%s", form, diff)
					}
				}
			}
			if tt.object != "" {
				var q query
				err := param.DecodeJSON([]byte(tt.object), &q)
				check("object", q, err)
			}
			if tt.target != "" {
				var header []string
				if tt.want.Last != nil {
					header = []string{"Last-Event-ID", "7"}
				}
				q, err := decodeHTTP(t, tt.target, header...)
				check("request", q, err)
			}
		})
	}
	if err := param.DecodeJSON(nil, new(struct{})); err != nil {
		t.Errorf("no object where none is needed: %v", err)
	}
}

// FuzzHTTP has a server decode what a client encoded.
func FuzzHTTP(f *testing.F) {
	f.Add("validator-0", uint64(1), true, uint64(0), uint64(1), byte(0))
	f.Add("a/b ?{height}&=%", uint64(1<<63), false, uint64(30_000), uint64(1000), byte(9))
	f.Fuzz(func(t *testing.T, name string, height uint64, prove bool, wait, limit uint64, after byte) {
		want := query{Name: strings.ToValidUTF8(name, "?"), Height: remora.Height(height), Prove: prove, WaitMS: wait % 30_001}
		if want.Limit = limit%1000 + 1; after > 0 {
			want.After = &remora.Hash{after}
		}
		if path.Clean("/"+want.Name) != "/"+want.Name || want.Name == "" {
			return // http.ServeMux redirects to the cleaned path
		}
		target, err := param.EncodeHTTP(route, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeHTTP(t, target)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(query{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", target, diff)
		}
	})
}
