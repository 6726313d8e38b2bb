package content

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/remora-network/remora"
)

// Bounds of a directory manifest.
const (
	MaxNameBytes      = 255
	MaxMediaTypeBytes = 127
	MaxEntries        = 1 << 16
	MaxDirectoryBytes = 32 << 20
)

// Directory is a manifest: the entries of a folder in strictly increasing order of their names. It is itself content.
type Directory struct {
	_       struct{} `cbor:",toarray"`
	Entries []Entry
}

// Entry is one file or folder of a directory.
type Entry struct {
	_         struct{} `cbor:",toarray"`
	Name      string   // one path segment
	Root      remora.Hash
	Length    uint64 // of the file, or of the folder's manifest
	Directory bool
	MediaType string // of a file, such as "text/html; charset=utf-8"; empty if unknown
}

// NewDirectory sorts the entries by name, in place, and checks them.
func NewDirectory(entries []Entry) (*Directory, error) {
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	d := &Directory{Entries: entries}
	return d, d.checkEntries()
}

// DecodeDirectory reads the canonical encoding of a manifest.
func DecodeDirectory(b []byte) (*Directory, error) {
	d := new(Directory)
	if err := remora.Decode(b, MaxDirectoryBytes, d); err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	if err := d.checkEntries(); err != nil {
		return nil, err
	}
	return d, nil
}

// Encode returns the canonical encoding.
func (d *Directory) Encode() []byte { return remora.Encode(d) }

// Lookup returns the entry with the given name.
func (d *Directory) Lookup(name string) (Entry, bool) {
	i, found := slices.BinarySearchFunc(d.Entries, name, func(e Entry, name string) int { return cmp.Compare(e.Name, name) })
	if !found {
		return Entry{}, false
	}
	return d.Entries[i], true
}

func (d *Directory) checkEntries() error {
	if len(d.Entries) > MaxEntries {
		return fmt.Errorf("directory: %w: %d entries, at most %d", remora.ErrTooLarge, len(d.Entries), MaxEntries)
	}
	for i, e := range d.Entries {
		if err := e.checkFields(); err != nil {
			return fmt.Errorf("directory entry %.80q: %w", e.Name, err)
		}
		if i > 0 && d.Entries[i-1].Name >= e.Name {
			return fmt.Errorf("directory entry %.80q: %w: names must strictly increase", e.Name, remora.ErrInvalid)
		}
	}
	return nil
}

func (e Entry) checkFields() error {
	if err := CheckName(e.Name); err != nil {
		return err
	}
	if err := checkLength(e.Length); err != nil {
		return err
	}
	if e.Directory && e.Length > MaxDirectoryBytes {
		return fmt.Errorf("%w: manifest of %d bytes, at most %d", remora.ErrTooLarge, e.Length, MaxDirectoryBytes)
	}
	return e.checkMediaType()
}

// CheckName refuses a name that cannot be a segment of a path.
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("%w: %q names no entry", remora.ErrInvalid, name)
	case len(name) > MaxNameBytes:
		return fmt.Errorf("%w: name of %d bytes, at most %d", remora.ErrTooLarge, len(name), MaxNameBytes)
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("%w: a name has no slash and no NUL", remora.ErrInvalid)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: name is not UTF-8", remora.ErrInvalid)
	}
	return nil
}

// checkMediaType refuses characters that could end a header line. It does not check that the type is registered.
func (e Entry) checkMediaType() error {
	t := e.MediaType
	if t == "" {
		return nil
	}
	notPlain := func(c rune) bool { return c < ' ' || c > '~' }
	if e.Directory || len(t) > MaxMediaTypeBytes || strings.IndexFunc(t, notPlain) >= 0 || strings.IndexByte(t, '/') < 1 {
		return fmt.Errorf("%w: media type %.80q: files have type/subtype in at most %d printable characters",
			remora.ErrInvalid, t, MaxMediaTypeBytes)
	}
	return nil
}
