package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

func itoa(n int) string { return strconv.Itoa(n) }

// crashed is a state of the disk that a crash can leave: names of files are kept only if their folder was synced, bytes
// only if their file was.
type crashed struct {
	name  string
	leave func(t *testing.T, s *Store, c remora.Content, data, tree []byte)
	whole bool
	have  uint64 // where receiving resumes
}

const crashSize = 5*content.PieceSize + 321

var crashes = []crashed{
	{name: "before anything", leave: func(*testing.T, *Store, remora.Content, []byte, []byte) {}},
	{name: "while importing", leave: func(t *testing.T, s *Store, _ remora.Content, data, tree []byte) {
		write(t, filepath.Join(s.dir, tmpDir, "import-1"), data[:1000])
		write(t, filepath.Join(s.dir, tmpDir, "tree-1"), tree)
	}},
	{name: "only the data has its name", leave: func(t *testing.T, s *Store, c remora.Content, data, tree []byte) {
		write(t, s.objectPath(c.Root, dataSuffix), data)
		write(t, filepath.Join(s.dir, tmpDir, "tree-1"), tree)
	}},
	{name: "only the tree has its name", leave: func(t *testing.T, s *Store, c remora.Content, data, tree []byte) {
		write(t, s.objectPath(c.Root, treeSuffix), tree)
		write(t, filepath.Join(s.dir, tmpDir, "import-1"), data)
	}},
	{name: "both have their names", whole: true, leave: func(t *testing.T, s *Store, c remora.Content, data, tree []byte) {
		write(t, s.objectPath(c.Root, dataSuffix), data)
		write(t, s.objectPath(c.Root, treeSuffix), tree)
	}},
	{name: "while removing", leave: func(t *testing.T, s *Store, c remora.Content, data, _ []byte) {
		write(t, s.objectPath(c.Root, dataSuffix), data)
	}},
	{name: "received two pieces", have: 2 * content.PieceSize, leave: func(t *testing.T, s *Store, c remora.Content, data, tree []byte) {
		write(t, s.partialPath(c.Root, dataSuffix), data[:2*content.PieceSize])
		write(t, s.partialPath(c.Root, treeSuffix), tree)
	}},
	{name: "received a part of a piece", have: content.PieceSize, leave: func(t *testing.T, s *Store, c remora.Content, data, tree []byte) {
		write(t, s.partialPath(c.Root, dataSuffix), data[:2*content.PieceSize-1])
		write(t, s.partialPath(c.Root, treeSuffix), tree)
	}},
	{name: "the last piece reached the disk as zeros", have: 5 * content.PieceSize, leave: func(t *testing.T, s *Store, c remora.Content, data, tree []byte) {
		zeroed := bytes.Clone(data)
		clear(zeroed[5*content.PieceSize:])
		write(t, s.partialPath(c.Root, dataSuffix), zeroed)
		write(t, s.partialPath(c.Root, treeSuffix), tree)
	}},
	{name: "the second piece reached the disk as zeros", have: content.PieceSize, leave: func(t *testing.T, s *Store, c remora.Content, data, tree []byte) {
		zeroed := bytes.Clone(data)
		clear(zeroed[content.PieceSize : 2*content.PieceSize])
		write(t, s.partialPath(c.Root, dataSuffix), zeroed)
		write(t, s.partialPath(c.Root, treeSuffix), tree)
	}},
	{name: "the tree did not reach the disk", leave: func(t *testing.T, s *Store, c remora.Content, data, _ []byte) {
		write(t, s.partialPath(c.Root, dataSuffix), data)
		write(t, s.partialPath(c.Root, treeSuffix), nil)
	}},
	{name: "all received, not yet moved", have: crashSize, leave: func(t *testing.T, s *Store, c remora.Content, data, tree []byte) {
		write(t, s.partialPath(c.Root, dataSuffix), data)
		write(t, s.partialPath(c.Root, treeSuffix), tree)
	}},
	{name: "more bytes than the content has", have: crashSize, leave: func(t *testing.T, s *Store, c remora.Content, data, tree []byte) {
		write(t, s.partialPath(c.Root, dataSuffix), append(bytes.Clone(data), 1, 2, 3))
		write(t, s.partialPath(c.Root, treeSuffix), append(bytes.Clone(tree), 1, 2, 3))
	}},
	{name: "the data moved while receiving ended", leave: func(t *testing.T, s *Store, c remora.Content, data, tree []byte) {
		write(t, s.objectPath(c.Root, dataSuffix), data)
		write(t, s.partialPath(c.Root, treeSuffix), tree)
	}},
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, b, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// TestNoCrashLeavesAFalseClaim opens a store after every crash, receives what is missing, and reads the content.
func TestNoCrashLeavesAFalseClaim(t *testing.T) {
	for _, tt := range crashes {
		t.Run(tt.name, func(t *testing.T) {
			b, c := sample(t, crashSize)
			var tree bytes.Buffer
			w := content.NewWriter(&tree)
			if _, err := io.Copy(w, bytes.NewReader(b)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := w.Finish(); err != nil {
				t.Fatal(err)
			}
			s := open(t, t.TempDir(), Options{})
			tt.leave(t, s, c, b, tree.Bytes())
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, s.dir, Options{})
			if holds(s, c) != tt.whole {
				t.Fatalf("held: %t", holds(s, c))
			}
			if !tt.whole {
				finish(t, s, b, c, tt.have)
			}
			if got, err := read(s, c, content.Whole(c.Length)); err != nil || !bytes.Equal(got, b) {
				t.Fatalf("read %d bytes, %v", len(got), err)
			}
			if s.Used() != c.Length {
				t.Errorf("%d bytes used", s.Used())
			}
			for _, dir := range []string{tmpDir, partialDir} {
				if left, _ := os.ReadDir(filepath.Join(s.dir, dir)); len(left) != 0 && !tt.whole {
					t.Errorf("%d files left in %s", len(left), dir)
				}
			}
		})
	}
}

// finish receives the rest of a content, which must begin where the test says.
func finish(t *testing.T, s *Store, b []byte, c remora.Content, from uint64) {
	t.Helper()
	p, err := s.Receive(c)
	if err != nil {
		t.Fatal(err)
	}
	if p.Have() != from {
		t.Fatalf("resumes at %d, want %d", p.Have(), from)
	}
	if rest := c.Length - from; rest > 0 {
		if err := p.Take(streamOf(t, b, content.Range{Offset: from, Length: rest}), rest); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
}

// TestForeignFilesStay puts other files into the store's folders.
func TestForeignFilesStay(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	_, c := put(t, s, 1000)
	foreign := []string{
		filepath.Join(s.dir, objectsDir, "README"),
		filepath.Join(s.dir, objectsDir, "ab", "notes.data"),
		filepath.Join(s.dir, objectsDir, "zz", c.Root.String()+treeSuffix),
		filepath.Join(s.dir, partialDir, "notes"),
		filepath.Join(s.dir, pinsDir, "notes"),
	}
	for _, name := range foreign {
		write(t, name, []byte("mine"))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.dir, Options{})
	if list := s.List(); !sameContent(list, []remora.Content{c}) || s.Used() != 1000 {
		t.Errorf("list %v, %d bytes used", list, s.Used())
	}
	for _, name := range foreign {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("a foreign file is gone: %v", err)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add(remora.Hash{1}.String() + dataSuffix)
	f.Add(remora.Hash{2}.String() + treeSuffix)
	f.Add(".data")
	f.Fuzz(func(t *testing.T, name string) {
		root, suffix, ok := parseName(name)
		if ok && name != root.String()+suffix {
			t.Fatalf("%q was taken for %s%s", name, root, suffix)
		}
	})
}
