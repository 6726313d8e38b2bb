package content

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/remora-network/remora"
)

// site is a small directory with names that sort by bytes and not by taste.
func site() []Entry {
	return []Entry{
		{Name: "index.html", Root: remora.Hash{1}, Length: 10, MediaType: "text/html; charset=utf-8"},
		{Name: "Ünïcode 🐟", Root: remora.Hash{2}, Length: 0},
		{Name: "assets", Root: remora.Hash{3}, Length: 99, Directory: true},
		{Name: "a b%20c\\d", Root: remora.Hash{4}, Length: MaxLength},
		{Name: "...", Root: remora.Hash{5}},
		{Name: "Z", Root: remora.Hash{6}},
	}
}

func TestDirectoryRoundTrip(t *testing.T) {
	d, err := NewDirectory(site())
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeDirectory(d.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, again, cmpopts.IgnoreUnexported(Directory{}, Entry{})); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
	for _, want := range site() {
		if got, found := again.Lookup(want.Name); !found || got != want {
			t.Errorf("Lookup(%q): %+v, %t", want.Name, got, found)
		}
	}
	for _, name := range []string{"", "a", "index.htm", "index.html ", "zz", "\xff"} {
		if e, found := again.Lookup(name); found {
			t.Errorf("Lookup(%q) found %q", name, e.Name)
		}
	}
	empty, err := NewDirectory(nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, err = DecodeDirectory(empty.Encode()); err != nil || len(again.Entries) != 0 {
		t.Errorf("an empty directory: %d entries, %v", len(again.Entries), err)
	}
}

func TestBadEntriesAreRefused(t *testing.T) {
	tests := []struct {
		name  string
		entry Entry
		want  error
	}{
		{"no name", Entry{}, remora.ErrInvalid},
		{"dot", Entry{Name: "."}, remora.ErrInvalid},
		{"dots", Entry{Name: ".."}, remora.ErrInvalid},
		{"slash", Entry{Name: "a/b"}, remora.ErrInvalid},
		{"NUL", Entry{Name: "a\x00"}, remora.ErrInvalid},
		{"not UTF-8", Entry{Name: "a\xff"}, remora.ErrInvalid},
		{"long name", Entry{Name: strings.Repeat("n", MaxNameBytes+1)}, remora.ErrTooLarge},
		{"long content", Entry{Name: "a", Length: MaxLength + 1}, remora.ErrTooLarge},
		{"long manifest", Entry{Name: "a", Length: MaxDirectoryBytes + 1, Directory: true}, remora.ErrTooLarge},
		{"header injection", Entry{Name: "a", MediaType: "text/html\r\nX: y"}, remora.ErrInvalid},
		{"no subtype", Entry{Name: "a", MediaType: "text"}, remora.ErrInvalid},
		{"long type", Entry{Name: "a", MediaType: "text/" + strings.Repeat("x", MaxMediaTypeBytes)}, remora.ErrInvalid},
		{"folder with a type", Entry{Name: "a", MediaType: "text/html", Directory: true}, remora.ErrInvalid},
	}
	for _, tt := range tests {
		if _, err := NewDirectory([]Entry{tt.entry}); !errors.Is(err, tt.want) {
			t.Errorf("NewDirectory, %s: %v, want %v", tt.name, err, tt.want)
		}
		encoded := remora.Encode(&Directory{Entries: []Entry{tt.entry}})
		if tt.name == "not UTF-8" {
			tt.want = remora.ErrMalformed
		}
		if _, err := DecodeDirectory(encoded); !errors.Is(err, tt.want) {
			t.Errorf("DecodeDirectory, %s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestBadDirectoriesAreRefused(t *testing.T) {
	encode := func(entries ...Entry) []byte { return remora.Encode(&Directory{Entries: entries}) }
	a, b := Entry{Name: "a"}, Entry{Name: "b"}
	good := encode(a, b)
	tests := []struct {
		name    string
		encoded []byte
		want    error
	}{
		{"nothing", nil, remora.ErrMalformed},
		{"twice", encode(a, a), remora.ErrInvalid},
		{"unsorted", encode(b, a), remora.ErrInvalid},
		{"cut", good[:len(good)-1], remora.ErrMalformed},
		{"more", append(bytes.Clone(good), 0), remora.ErrMalformed},
		{"file bytes", []byte("<html>"), remora.ErrMalformed},
		{"a list that claims 2^32 entries", []byte{0x81, 0x9a, 0xff, 0xff, 0xff, 0xff}, remora.ErrMalformed},
		{"huge", make([]byte, MaxDirectoryBytes+1), remora.ErrTooLarge},
	}
	for _, tt := range tests {
		if _, err := DecodeDirectory(tt.encoded); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := NewDirectory([]Entry{a, b, a}); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("NewDirectory with a name twice: %v", err)
	}
}

// TestLargestDirectory has as many entries as may be, with the longest names.
func TestLargestDirectory(t *testing.T) {
	entries := make([]Entry, MaxEntries, MaxEntries+1)
	for i := range entries {
		name := fmt.Sprintf("%0*d", MaxNameBytes, i)
		entries[i] = Entry{Name: name, Root: remora.Hash{1}, Length: MaxLength, MediaType: "text/" + strings.Repeat("x", MaxMediaTypeBytes-5)}
	}
	d, err := NewDirectory(entries)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := DecodeDirectory(d.Encode()); err != nil || len(again.Entries) != MaxEntries {
		t.Errorf("decoded: %v", err)
	}
	if _, err := NewDirectory(append(entries, Entry{Name: "z"})); !errors.Is(err, remora.ErrTooLarge) {
		t.Errorf("one more entry: %v", err)
	}
}

func FuzzDecodeDirectory(f *testing.F) {
	d, err := NewDirectory(site())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(d.Encode())
	f.Add([]byte{0x81, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := DecodeDirectory(b)
		if err != nil {
			return
		}
		if !bytes.Equal(d.Encode(), b) {
			t.Fatal("a directory has a second encoding")
		}
		for _, e := range d.Entries {
			if got, found := d.Lookup(e.Name); !found || got != e {
				t.Fatalf("%q is not found", e.Name)
			}
		}
	})
}
