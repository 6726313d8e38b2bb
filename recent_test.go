package remora_test

import (
	"testing"

	"github.com/remora-network/remora"
)

func TestRecent(t *testing.T) {
	const limit = 3
	r := remora.NewRecent[remora.Hash, int](limit)
	for i := range 10 {
		r.Add(remora.Hash{byte(i)}, i)
		r.Add(remora.Hash{byte(i)}, -1) // again: it stays as it is, and takes nobody's place
		if r.Len() > limit {
			t.Fatalf("remembers %d after %d", r.Len(), i)
		}
	}
	for i := range 10 {
		v, ok := r.Get(remora.Hash{byte(i)})
		if want := i >= 10-limit; ok != want || r.Has(remora.Hash{byte(i)}) != want || want && v != i {
			t.Errorf("%d: %d, %t", i, v, ok)
		}
	}
	if one := remora.NewRecent[remora.Hash, int](0); one.Len() != 0 {
		t.Error("not empty")
	} else if one.Add(remora.Hash{}, 1); one.Len() != 1 {
		t.Error("a limit of 0 holds nothing")
	}
}
