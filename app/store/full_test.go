package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// room is the space left on a disk. Writes use it up; a sync fails if there is none at all.
type room struct {
	bytes int
	err   error
}

func (r *room) take(bytes int) error {
	if r.bytes < bytes || r.bytes <= 0 {
		return r.err
	}
	r.bytes -= bytes
	return nil
}

// files counts the files below a folder of the store.
func files(t *testing.T, s *Store, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(s.dir, dir), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFullDiskWhileImporting fills the disk after each of a number of bytes: nothing is added, nothing is lost, and the
// space is free again afterwards.
func TestFullDiskWhileImporting(t *testing.T) {
	const size = 300_000
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		r := &room{bytes: 1 << 30, err: full}
		s := open(t, t.TempDir(), Options{Fault: r.take})
		kept, k := put(t, s, 40_000)
		b, c := sample(t, size)
		for _, free := range []int{0, 1, 4096, 200_000, size - 1, size, size + 100} {
			r.bytes = free
			err := s.Import(bytes.NewReader(b), c)
			if !errors.Is(err, ErrNoSpace) || !errors.Is(err, full) || !strings.Contains(err.Error(), "free some") {
				t.Fatalf("%d bytes free: %v", free, err)
			}
			if holds(s, c) || s.Used() != 40_000 || files(t, s, tmpDir) != 0 || files(t, s, objectsDir) != 2 {
				t.Fatalf("%d bytes free: held %t, %d bytes used, %d temporary files", free, holds(s, c), s.Used(), files(t, s, tmpDir))
			}
		}
		if got, err := read(s, k, content.Whole(k.Length)); err != nil || !bytes.Equal(got, kept) {
			t.Fatalf("what was there: %v", err)
		}
		r.bytes = 1 << 30
		if err := s.Import(bytes.NewReader(b), c); err != nil {
			t.Fatal(err)
		}
		if got, err := read(s, c, content.Whole(c.Length)); err != nil || !bytes.Equal(got, b) {
			t.Errorf("with room again: %v", err)
		}
	}
}

// TestFullDiskWhileReceiving fills the disk in the middle of an object and while it is made durable: verified pieces
// are kept for the next time.
func TestFullDiskWhileReceiving(t *testing.T) {
	const size = 10*content.PieceSize + 5
	for _, free := range []int{0, 5 * content.PieceSize, size + 100} {
		r := &room{bytes: free, err: syscall.ENOSPC}
		s := open(t, t.TempDir(), Options{Fault: r.take})
		b, c := sample(t, size)
		p, err := s.Receive(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Take(streamOf(t, b, content.Whole(size)), size); !errors.Is(err, ErrNoSpace) {
			t.Fatalf("%d bytes free: %v", free, err)
		}
		have := p.Have()
		if err := p.Leave(); err != nil {
			t.Fatal(err)
		}
		if s.Used() != have || holds(s, c) {
			t.Errorf("%d bytes free: %d are used of %d received", free, s.Used(), have)
		}
		r.bytes = 1 << 30
		finish(t, s, b, c, have)
		if got, err := read(s, c, content.Whole(size)); err != nil || !bytes.Equal(got, b) || s.Used() != size {
			t.Errorf("%d bytes free: with room again %d bytes, %d used, %v", free, len(got), s.Used(), err)
		}
	}
}

// TestFullDiskAtTheEnd has space for all bytes, but not for syncing or renaming them.
func TestFullDiskAtTheEnd(t *testing.T) {
	const size = 3 * content.PieceSize
	for name, block := range map[string]func(t *testing.T, s *Store, r *room, c remora.Content) (undo func()){
		"sync": func(_ *testing.T, _ *Store, r *room, _ remora.Content) func() {
			r.bytes = 0
			return func() { r.bytes = 1 << 30 }
		},
		"tree's name": func(t *testing.T, s *Store, _ *room, c remora.Content) func() {
			in := s.objectPath(c.Root, treeSuffix) // a folder that is not empty cannot be replaced
			write(t, filepath.Join(in, "x"), nil)
			return func() { _ = os.RemoveAll(in) }
		},
	} {
		r := &room{bytes: 1 << 30, err: syscall.ENOSPC}
		s := open(t, t.TempDir(), Options{Fault: r.take})
		b, c := sample(t, size)
		p, err := s.Receive(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Take(streamOf(t, b, content.Whole(size)), size); err != nil {
			t.Fatal(err)
		}
		undo := block(t, s, r, c)
		if err := p.Commit(); err == nil || holds(s, c) || s.Used() != size {
			t.Errorf("%s: committed: %v, held %t, %d bytes used", name, err, holds(s, c), s.Used())
		}
		if name == "tree's name" {
			if err := s.Import(bytes.NewReader(b), c); err == nil || s.Used() != size || files(t, s, tmpDir) != 0 {
				t.Errorf("%s: imported: %v, %d bytes used", name, err, s.Used())
			}
		}
		undo()
		finish(t, s, b, c, size)
		if got, err := read(s, c, content.Whole(size)); err != nil || !bytes.Equal(got, b) || s.Used() != size {
			t.Errorf("%s: with room again %d bytes, %d used, %v", name, len(got), s.Used(), err)
		}
	}
}
