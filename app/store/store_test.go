package store

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

func sample(t testing.TB, size int) ([]byte, remora.Content) {
	t.Helper()
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rand.IntN(256))
	}
	root, length, err := content.Root(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return b, remora.Content{Root: root, Length: length}
}

func open(t testing.TB, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// read returns a range of an object through the verified stream, as a client does.
func read(s *Store, c remora.Content, r content.Range) ([]byte, error) {
	var stream bytes.Buffer
	if err := s.Stream(&stream, c.Root, r); err != nil {
		return nil, err
	}
	d, err := content.NewDecoder(&stream, c.Root, c.Length, r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(d)
}

var sizes = []int{0, 1, 1023, 1024, 1025, 16383, 16384, 16385, 32768, 100_000, 1 << 20}

func TestImportAndStream(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	all := map[remora.Content][]byte{}
	for _, size := range sizes {
		b, c := sample(t, size)
		if err := s.Import(bytes.NewReader(b), c); err != nil {
			t.Fatal(err)
		}
		all[c] = b
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	for c, b := range all {
		if got, err := read(s, c, content.Whole(c.Length)); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes: got %d, %v", len(b), len(got), err)
		}
	}
}

func TestImportRefusesOtherBytes(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	b, c := sample(t, 50_000)
	for name, bad := range map[string][]byte{
		"short": b[:len(b)-1], "long": append(bytes.Clone(b), 0), "flipped": append(bytes.Clone(b[:49_999]), ^b[49_999]),
	} {
		if err := s.Import(bytes.NewReader(bad), c); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, _ := os.ReadDir(s.dir + "/" + tmpDir); len(left) != 0 || s.Used() != 0 {
		t.Errorf("%d temporary files, %d bytes used", len(left), s.Used())
	}
}

func TestReceiveResumes(t *testing.T) {
	source, dir := open(t, t.TempDir(), Options{}), t.TempDir()
	b, c := sample(t, 300_000)
	if err := source.Import(bytes.NewReader(b), c); err != nil {
		t.Fatal(err)
	}
	for step := range 100 {
		s := open(t, dir, Options{})
		p, err := s.Receive(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Receive(c); !errors.Is(err, ErrBusy) {
			t.Fatalf("received twice at once: %v", err)
		}
		n := min(3*content.PieceSize, c.Length-p.Have())
		var stream bytes.Buffer
		if err := source.Stream(&stream, c.Root, content.Range{Offset: p.Have(), Length: n}); err != nil {
			t.Fatal(err)
		}
		if err := p.Take(io.LimitReader(&stream, int64(stream.Len())), n); err != nil {
			t.Fatal(err)
		}
		if p.Have() < c.Length {
			if err := errors.Join(p.Leave(), s.Close()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := p.Commit(); err != nil {
			t.Fatal(err)
		}
		if got, err := read(s, c, content.Whole(c.Length)); err != nil || !bytes.Equal(got, b) || step < 3 {
			t.Errorf("after %d steps: %d bytes, %v", step, len(got), err)
		}
		return
	}
	t.Fatal("never whole")
}

func TestReceiveKeepsNothingFalse(t *testing.T) {
	source := open(t, t.TempDir(), Options{})
	b, c := sample(t, 100_000)
	if err := source.Import(bytes.NewReader(b), c); err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	if err := source.Stream(&stream, c.Root, content.Whole(c.Length)); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"flipped":   func(s []byte) []byte { s[len(s)-5] ^= 1; return s },
		"truncated": func(s []byte) []byte { return s[:len(s)-1] },
		"trailing":  func(s []byte) []byte { return append(s, 0) },
		"empty":     func([]byte) []byte { return nil },
	} {
		dir := t.TempDir()
		s := open(t, dir, Options{})
		p, err := s.Receive(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Take(bytes.NewReader(spoil(bytes.Clone(stream.Bytes()))), c.Length); err == nil {
			t.Errorf("%s: taken", name)
		}
		if err := errors.Join(p.Leave(), s.Close()); err != nil {
			t.Fatal(err)
		}
		if p, err = open(t, dir, Options{}).Receive(c); err != nil || p.Have()%content.PieceSize != 0 && p.Have() != c.Length {
			t.Errorf("%s: resumes at %d, %v", name, p.Have(), err)
		}
		if err := p.Leave(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamageNeverLeaves flips a byte in each file of an object: the stream fails, and the object is gone from the store.
func TestDamageNeverLeaves(t *testing.T) {
	for _, suffix := range []string{dataSuffix, treeSuffix} {
		s := open(t, t.TempDir(), Options{})
		b, c := sample(t, 100_000)
		if err := s.Import(bytes.NewReader(b), c); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(s.objectPath(c.Root, suffix), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte{0xff, 0xee, 0xdd}, 70)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := read(s, c, content.Whole(c.Length)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", suffix, err)
		}
		if _, held := s.Length(c.Root); held || s.Used() != 0 {
			t.Errorf("%s: the damaged object stayed", suffix)
		}
		if err := s.Import(bytes.NewReader(b), c); err != nil {
			t.Fatal(err)
		}
		if got, err := read(s, c, content.Whole(c.Length)); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s: after a new import: %v", suffix, err)
		}
	}
}

func TestQuotaAndLock(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{Quota: 100_000})
	first, a := sample(t, 60_000)
	second, b := sample(t, 60_000)
	if err := s.Import(bytes.NewReader(first), a); err != nil {
		t.Fatal(err)
	}
	if err := s.Import(bytes.NewReader(second), b); !errors.Is(err, ErrQuota) {
		t.Errorf("over the quota: %v", err)
	}
	if _, err := s.Receive(b); !errors.Is(err, ErrQuota) {
		t.Errorf("received over the quota: %v", err)
	}
	if err := s.Remove(a.Root); err != nil {
		t.Fatal(err)
	}
	if err := s.Import(bytes.NewReader(second), b); err != nil {
		t.Error(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
}

// TestReceiveOfEverySize receives objects around the borders of chunks and pieces, at once and piece by piece.
func TestReceiveOfEverySize(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for _, size := range append(sizes, 2*content.PieceSize+1, 3*content.PieceSize-1, 3*content.PieceSize+1024) {
		for _, step := range []uint64{content.PieceSize, 1 << 20} {
			b, c := sample(t, size)
			p, err := s.Receive(c)
			if err != nil {
				t.Fatal(err)
			}
			for first := true; first || p.Have() < c.Length; first = false {
				r := content.Range{Offset: p.Have(), Length: min(step, c.Length-p.Have())}
				if err := p.Take(streamOf(t, b, r), r.Length); err != nil {
					t.Fatalf("%d bytes, %d at a time: %v", size, step, err)
				}
			}
			if err := p.Commit(); err != nil {
				t.Fatal(err)
			}
			if got, err := read(s, c, content.Whole(c.Length)); err != nil || !bytes.Equal(got, b) {
				t.Errorf("%d bytes, %d at a time: got %d, %v", size, step, len(got), err)
			}
		}
	}
}
