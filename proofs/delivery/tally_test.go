package delivery

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/remora-network/remora"
)

// requireExtents reports a tally that is not the one of extents.
func requireExtents(t rapid.TB, got *Tally, extents []remora.Extent) {
	t.Helper()
	bytes, root := naiveSum(extents)
	if !slices.Equal(got.Extents(), extents) || got.Bytes() != bytes || got.Root() != root || int(got.Len()) != len(extents) {
		t.Fatalf("%d extents of %d bytes with root %s, want %d of %d with %s",
			got.Len(), got.Bytes(), got.Root(), len(extents), bytes, root)
	}
}

// movie is content of 100 chunks, the last of them short.
var movie = remora.Content{Root: remora.Hash{1}, Length: 100*1024 - 7}

func runOfBytes(first, bytes uint64) remora.Extent {
	return remora.Extent{Content: movie, First: first, Bytes: bytes}
}

func TestTheZeroTallyIsEmpty(t *testing.T) {
	var tally Tally
	requireExtents(t, &tally, nil)
	if !tally.Root().IsZero() {
		t.Error("an empty tally has a root")
	}
	if err := tally.Add(runOfBytes(0, 5)); err != nil {
		t.Fatal(err)
	}
	requireExtents(t, &tally, []remora.Extent{runOfBytes(0, 5)})
}

func TestAddJoins(t *testing.T) {
	other := runOfBytes(3, 10)
	other.Content.Root[0]++
	longer := runOfBytes(3, 10)
	longer.Content.Length += 1024
	cases := []struct {
		name  string
		adds  []remora.Extent
		want  []remora.Extent
		error error
	}{
		{"next chunk", []remora.Extent{runOfBytes(0, 3*1024), runOfBytes(3, 10)}, []remora.Extent{runOfBytes(0, 3*1024+10)}, nil},
		{"three", []remora.Extent{runOfBytes(1, 1024), runOfBytes(2, 1024), runOfBytes(3, 1024)}, []remora.Extent{runOfBytes(1, 3*1024)}, nil},
		{"up to the end", []remora.Extent{runOfBytes(98, 1024), runOfBytes(99, 1017)}, []remora.Extent{runOfBytes(98, 2041)}, nil},
		{"past the end", []remora.Extent{runOfBytes(98, 1024), runOfBytes(99, 1018)}, []remora.Extent{runOfBytes(98, 1024)}, remora.ErrInvalid},
		{"after the end", []remora.Extent{runOfBytes(99, 1017), runOfBytes(100, 1)}, []remora.Extent{runOfBytes(99, 1017)}, remora.ErrInvalid},
		{"not on a border", []remora.Extent{runOfBytes(0, 3*1024-1), runOfBytes(3, 10)}, []remora.Extent{runOfBytes(0, 3*1024-1), runOfBytes(3, 10)}, nil},
		{"a gap", []remora.Extent{runOfBytes(0, 1024), runOfBytes(2, 10)}, []remora.Extent{runOfBytes(0, 1024), runOfBytes(2, 10)}, nil},
		{"again", []remora.Extent{runOfBytes(0, 1024), runOfBytes(0, 1024)}, []remora.Extent{runOfBytes(0, 1024), runOfBytes(0, 1024)}, nil},
		{"other content", []remora.Extent{runOfBytes(0, 3*1024), other}, []remora.Extent{runOfBytes(0, 3*1024), other}, nil},
		{"other length", []remora.Extent{runOfBytes(0, 3*1024), longer}, []remora.Extent{runOfBytes(0, 3*1024), longer}, nil},
		{"not the last", []remora.Extent{runOfBytes(0, 1024), runOfBytes(9, 1024), runOfBytes(1, 1)}, []remora.Extent{runOfBytes(0, 1024), runOfBytes(9, 1024), runOfBytes(1, 1)}, nil},
		{"nothing", []remora.Extent{runOfBytes(0, 1024), runOfBytes(1, 0)}, []remora.Extent{runOfBytes(0, 1024)}, remora.ErrInvalid},
		{"a start that overflows", []remora.Extent{runOfBytes(0, 1024), runOfBytes(1+1<<54, 1)}, []remora.Extent{runOfBytes(0, 1024)}, remora.ErrInvalid},
	}
	for _, tc := range cases {
		var tally Tally
		var err error
		for _, e := range tc.adds {
			if err = tally.Add(e); err != nil {
				break
			}
		}
		if !errors.Is(err, tc.error) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.error)
		}
		requireExtents(t, &tally, tc.want)
	}
}

func TestReplace(t *testing.T) {
	have := []remora.Extent{runOfBytes(0, 100), runOfBytes(5, 2000)}
	shifted := runOfBytes(4, 4000)
	foreign := runOfBytes(5, 4000)
	foreign.Content.Root[1]++
	cases := []struct {
		name  string
		kept  uint32
		more  []remora.Extent
		error error
	}{
		{"all stay", 2, []remora.Extent{runOfBytes(9, 1), runOfBytes(10, 2)}, nil},
		{"the last grows", 1, []remora.Extent{runOfBytes(5, 2001)}, nil},
		{"the last grows and others follow", 1, []remora.Extent{runOfBytes(5, 3*1024), runOfBytes(8, 7), runOfBytes(0, 1)}, nil},
		{"what continues is not joined", 2, []remora.Extent{runOfBytes(9, 1024), runOfBytes(10, 1024)}, nil},
		{"nothing new", 2, nil, remora.ErrInvalid},
		{"nothing instead of the last", 1, nil, remora.ErrInvalid},
		{"the last as it is", 1, []remora.Extent{runOfBytes(5, 2000), runOfBytes(9, 1)}, remora.ErrInvalid},
		{"the last shrinks", 1, []remora.Extent{runOfBytes(5, 1999)}, remora.ErrInvalid},
		{"another start", 1, []remora.Extent{shifted}, remora.ErrInvalid},
		{"another content", 1, []remora.Extent{foreign}, remora.ErrInvalid},
		{"one more is dropped", 0, []remora.Extent{runOfBytes(0, 100), runOfBytes(5, 2001)}, remora.ErrInvalid},
		{"more are kept than there are", 3, []remora.Extent{runOfBytes(9, 1)}, remora.ErrInvalid},
		{"all that a number can say", 1<<32 - 1, []remora.Extent{runOfBytes(9, 1)}, remora.ErrInvalid},
		{"past the end", 1, []remora.Extent{runOfBytes(5, 1<<20)}, remora.ErrInvalid},
		{"a bad one behind a good one", 2, []remora.Extent{runOfBytes(9, 1), runOfBytes(100, 1)}, remora.ErrInvalid},
		{"a bad one behind a longer one", 1, []remora.Extent{runOfBytes(5, 2001), runOfBytes(0, 0)}, remora.ErrInvalid},
	}
	for _, tc := range cases {
		tally, err := NewTally(have)
		if err != nil {
			t.Fatal(err)
		}
		err = tally.Replace(tc.kept, tc.more)
		if !errors.Is(err, tc.error) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.error)
		}
		want := have
		if tc.error == nil {
			want = append(slices.Clone(have[:tc.kept]), tc.more...)
		}
		requireExtents(t, tally, want)
	}
	var empty Tally
	if err := empty.Replace(1<<32-1, have); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("one fewer than nothing is kept: %v", err)
	}
	if err := empty.Replace(0, have); err != nil {
		t.Error(err)
	}
	requireExtents(t, &empty, have)
}

func TestTallyIsFull(t *testing.T) {
	extents := make([]remora.Extent, remora.MaxExtents)
	for i := range extents {
		extents[i] = runOfBytes(uint64(i%50)*2, 1024)
	}
	if _, err := NewTally(append(slices.Clone(extents), runOfBytes(0, 1))); !errors.Is(err, ErrFull) {
		t.Errorf("one extent too many: %v", err)
	}
	tally, err := NewTally(extents)
	if err != nil {
		t.Fatal(err)
	}
	root, n := tally.Root(), uint32(len(extents))
	last := extents[n-1]
	longer := runOfBytes(last.First, last.Bytes+1)
	for name, err := range map[string]error{
		"add": tally.Add(runOfBytes(0, 1)), "replace": tally.Replace(n, extents[:1]),
		"replace the last and add": tally.Replace(n-1, []remora.Extent{longer, runOfBytes(0, 1)}),
	} {
		if !errors.Is(err, ErrFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tally.Root() != root || tally.Len() != n {
		t.Error("a refused extent changed the tally")
	}
	if err := tally.Replace(n-1, []remora.Extent{longer}); err != nil {
		t.Errorf("the last of all may grow: %v", err)
	}
	tally, err = NewTally(extents)
	if err != nil {
		t.Fatal(err)
	}
	if err := tally.Add(runOfBytes(last.First+1, 9)); err != nil {
		t.Errorf("the last of all may be lengthened: %v", err)
	}
}

func TestTallyOfTooManyBytes(t *testing.T) {
	huge := remora.Content{Root: remora.Hash{2}, Length: remora.MaxContentBytes}
	half := remora.Extent{Content: huge, Bytes: remora.MaxContentBytes / 2}
	tally, err := NewTally([]remora.Extent{half, half})
	if err != nil {
		t.Fatal(err)
	}
	next := remora.Extent{Content: huge, First: remora.MaxContentBytes / 2 / 1024, Bytes: 1}
	longer := half
	longer.Bytes++
	for name, err := range map[string]error{
		"join": tally.Add(next), "add": tally.Add(runOfBytes(0, 1)), "replace": tally.Replace(2, []remora.Extent{runOfBytes(0, 1)}),
		"longer": tally.Replace(1, []remora.Extent{longer}),
	} {
		if !errors.Is(err, ErrFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
	requireExtents(t, tally, []remora.Extent{half, half})
	shorter := half
	shorter.Bytes--
	if nearly, err := NewTally([]remora.Extent{half, shorter}); err != nil {
		t.Error(err)
	} else if err := nearly.Replace(1, []remora.Extent{half}); err != nil {
		t.Errorf("a longer form counts with the bytes that it adds: %v", err)
	}
	if _, err := NewTally([]remora.Extent{half, half, runOfBytes(0, 1)}); !errors.Is(err, ErrFull) {
		t.Errorf("new: %v", err)
	}
	if _, err := NewTally([]remora.Extent{half, runOfBytes(100, 1)}); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("new with a bad extent: %v", err)
	}
}

// A client adds and acknowledges now and then; its cache follows by the acknowledgements alone.
func TestClientAndCacheAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var client, cache Tally
		var model []remora.Extent
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			e := runOfBytes(rapid.Uint64Range(0, 99).Draw(t, "first"), rapid.Uint64Range(1, 3000).Draw(t, "bytes"))
			if n := len(model); n > 0 && rapid.Bool().Draw(t, "on") {
				e.First = model[n-1].First + (model[n-1].Bytes+1023)/1024
				e.Bytes = 1024 * (1 + e.Bytes/1024)
			}
			model = naiveAdd(t, model, &client, e)
			if rapid.IntRange(0, 3).Draw(t, "acknowledge") == 0 {
				acknowledge(t, &client, &cache)
				requireExtents(t, &cache, model)
			}
		}
		requireExtents(t, &client, model)
	})
}

func naiveAdd(t *rapid.T, model []remora.Extent, tally *Tally, e remora.Extent) []remora.Extent {
	err := tally.Add(e)
	if (err == nil) != (e.Check() == nil) {
		t.Fatalf("add %d bytes from chunk %d on: %v", e.Bytes, e.First, err)
	}
	if err != nil {
		return model
	}
	if n := len(model); n > 0 && model[n-1].First*1024+model[n-1].Bytes == e.First*1024 {
		model[n-1].Bytes += e.Bytes
		return model
	}
	return append(model, e)
}

func acknowledge(t *rapid.T, client, cache *Tally) {
	have, n := client.Extents(), cache.Len()
	if cache.Bytes() == client.Bytes() {
		return
	}
	kept := n
	if n > 0 && have[n-1] != cache.Extents()[n-1] {
		kept--
	}
	if err := cache.Replace(kept, have[kept:]); err != nil {
		t.Fatalf("replace after %d of %d: %v", kept, n, err)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	add := func(tally *Tally, extents ...remora.Extent) {
		t.Helper()
		for _, e := range extents {
			if err := tally.Add(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range 40 {
		extents, more := append(someExtents(rng, n), runOfBytes(0, 1024)), someExtents(rng, 9)
		reversed := slices.Clone(more)
		slices.Reverse(reversed)
		original := new(Tally)
		add(original, extents...) // one by one: there is room behind its lists
		clone, frozen := original.Clone(), original.Clone()
		add(clone, more...)
		add(original, reversed...)
		requireExtents(t, clone, append(slices.Clone(extents), more...))
		requireExtents(t, original, append(slices.Clone(extents), reversed...))
		longer := frozen.Clone()
		add(longer, runOfBytes(1, 1024))
		requireExtents(t, frozen, extents)
		requireExtents(t, longer, append(slices.Clone(extents[:n]), runOfBytes(0, 2048)))
	}
}

// NewTally must not keep the caller's list: the next Add would write into it.
func TestNewTallyCopies(t *testing.T) {
	extents := []remora.Extent{runOfBytes(0, 1024)}
	tally, err := NewTally(extents)
	if err != nil {
		t.Fatal(err)
	}
	if err := tally.Add(runOfBytes(1, 1024)); err != nil {
		t.Fatal(err)
	}
	if extents[0] != runOfBytes(0, 1024) {
		t.Error("the caller's list changed")
	}
}
