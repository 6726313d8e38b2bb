package strict_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/remora-network/remora/node/client/strict"
)

// TestCheckWithin counts values: each scalar, array and object is one.
func TestCheckWithin(t *testing.T) {
	const text = `{"a":[1,2,{}],"b":"x"}`
	if left, err := strict.CheckWithin([]byte(text), 9); err != nil || left != 3 {
		t.Errorf("%d left, %v, want 3", left, err)
	}
	if _, err := strict.CheckWithin([]byte(text), 5); !errors.Is(err, strict.ErrShape) {
		t.Errorf("one too many: %v", err)
	}
}

func TestDecode(t *testing.T) {
	type doc struct {
		A int    `json:"a"`
		B *doc   `json:"b"`
		C []doc  `json:"c"`
		D string `json:"d"`
	}
	deep := strings.Repeat(`{"b":`, 31) + "{}" + strings.Repeat("}", 31)
	tests := []struct {
		name, text string
		want       error
	}{
		{"object", `{"a":1,"b":{"a":2},"c":[{"a":3},{}]}`, nil},
		{"as deep as allowed", deep, nil},
		{"deeper", `{"b":` + deep + `}`, strict.ErrShape},
		{"bomb", strings.Repeat("[", 100_000), strict.ErrSyntax},
		{"closed bomb", strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000), strict.ErrShape},
		{"empty", "", strict.ErrSyntax},
		{"spaces", " \n", strict.ErrSyntax},
		{"cut off", `{"a":1`, strict.ErrSyntax},
		{"two", `{"a":1}{"a":2}`, strict.ErrSyntax},
		{"comma at the end", `{"a":1,}`, strict.ErrSyntax},
		{"not a number", `{"a":NaN}`, strict.ErrSyntax},
		{"number out of range", `{"a":1e309}`, strict.ErrShape},
		{"fraction", `{"a":1.5}`, strict.ErrShape},
		{"no UTF-8", "{\"d\":\"\xff\"}", strict.ErrSyntax},
		{"unknown name", `{"e":1}`, strict.ErrShape},
		{"repeated name", `{"a":1,"a":1}`, strict.ErrShape},
		{"repeated below", `{"c":[{"a":1,"a":1}]}`, strict.ErrShape},
		{"repeated by escape", `{"a":1,"\u0061":1}`, strict.ErrShape},
		{"other case", `{"A":1}`, strict.ErrShape},
		{"other type", `{"a":"1"}`, strict.ErrShape},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := strict.Decode([]byte(tt.text), new(doc)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if err := strict.Check([]byte(`{"Any Name":1}`)); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	for _, text := range []string{`{"a":[1,"x",null,{"b":true}]}`, `[[[]]]`, `{"a":1,"a":2}`, `1`, `"\ud800"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := strict.Check(data); err == nil && !json.Valid(data) {
			t.Errorf("accepted %q", data)
		}
	})
}
