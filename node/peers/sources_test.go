package peers

import (
	"slices"
	"testing"

	"github.com/remora-network/remora"
)

func TestSources(t *testing.T) {
	s := NewSources(0, 5)
	expect := func(author remora.Authority, want ...remora.Authority) {
		t.Helper()
		if got := s.Order(author); !slices.Equal(got, want) {
			t.Errorf("batches of %d: asks %v, want %v", author, got, want)
		}
	}
	expect(1, 2, 3, 4, 1)
	expect(4, 1, 2, 3, 4)
	s.CountAnswer(2, false)
	expect(1, 3, 4, 1, 2)
	s.CountAnswer(3, false)
	s.CountAnswer(3, false)
	expect(1, 4, 1, 2, 3) // peers that failed more come later
	s.CountAnswer(3, true)
	expect(1, 3, 4, 1, 2)
	if alone := NewSources(0, 1); len(alone.Order(0)) != 0 {
		t.Error("one that is alone asks somebody")
	}
}
