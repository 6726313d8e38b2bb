package table

import "testing"

func TestEveryTableHasAName(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range All() {
		if name := names[id]; name == "" || seen[name] {
			t.Errorf("table %d is called %q", byte(id), name)
		}
		seen[id.String()] = true
	}
	for _, id := range []ID{0, end, 255} {
		if seen[id.String()] {
			t.Errorf("no table has number %d, its name is %q", byte(id), id)
		}
	}
}
