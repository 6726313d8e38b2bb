package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// put imports random bytes.
func put(t testing.TB, s *Store, size int) ([]byte, remora.Content) {
	t.Helper()
	b, c := sample(t, size)
	if err := s.Import(bytes.NewReader(b), c); err != nil {
		t.Fatal(err)
	}
	return b, c
}

func holds(s *Store, c remora.Content) bool {
	_, held := s.Length(c.Root)
	return held
}

// half receives the first piece of a content and leaves.
func half(t testing.TB, s *Store, b []byte, c remora.Content) {
	t.Helper()
	p, err := s.Receive(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Take(streamOf(t, b, content.Range{Length: content.PieceSize}), content.PieceSize); err != nil {
		t.Fatal(err)
	}
	if err := p.Leave(); err != nil {
		t.Fatal(err)
	}
}

// streamOf returns the verified stream of a range of bytes.
func streamOf(t testing.TB, b []byte, r content.Range) io.Reader {
	t.Helper()
	var tree bytes.Buffer
	w := content.NewWriter(&tree)
	_, err := w.Write(b)
	if err != nil {
		t.Fatal(err)
	}
	root, length, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	e, err := content.NewEncoder(bytes.NewReader(b), bytes.NewReader(tree.Bytes()), root, length, r)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEvictionTakesWhatWasNotUsedForLongest(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{Quota: 100_000, Evict: true})
	_, pinned := put(t, s, 20_000)
	_, used := put(t, s, 30_000)
	_, unused := put(t, s, 30_000)
	if err := s.Pin(pinned.Root); err != nil {
		t.Fatal(err)
	}
	if _, err := read(s, used, content.Whole(used.Length)); err != nil {
		t.Fatal(err)
	}
	_, third := put(t, s, 30_000)
	if holds(s, unused) || !holds(s, used) || !holds(s, pinned) || !holds(s, third) {
		t.Errorf("held: pinned %t, used %t, unused %t, new %t", holds(s, pinned), holds(s, used), holds(s, unused), holds(s, third))
	}
	b, tooMuch := sample(t, 80_001)
	if err := s.Import(bytes.NewReader(b), tooMuch); !errors.Is(err, ErrQuota) {
		t.Errorf("more than is not pinned: %v", err)
	}
	if !holds(s, used) || !holds(s, third) {
		t.Error("objects were evicted for one that does not fit")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{Quota: 100_000, Evict: true})
	if !s.Pinned(pinned.Root) || s.Pinned(used.Root) {
		t.Error("pins did not survive the restart")
	}
	_, big := put(t, s, 80_000)
	if want := []remora.Content{big, pinned}; !sameContent(s.List(), want) || s.Used() != 100_000 {
		t.Errorf("list %v, want %v; %d bytes used", s.List(), want, s.Used())
	}
	if err := s.Unpin(pinned.Root); err != nil {
		t.Fatal(err)
	}
	put(t, s, 100_000)
	if holds(s, pinned) || s.Used() != 100_000 {
		t.Errorf("after Unpin: held %t, %d bytes used", holds(s, pinned), s.Used())
	}
}

func sameContent(got, want []remora.Content) bool {
	slices.SortFunc(want, func(a, b remora.Content) int { return bytes.Compare(a.Root[:], b.Root[:]) })
	return cmp.Equal(got, want, cmpopts.IgnoreUnexported(remora.Content{}))
}

// TestHalfReceivedMakesRoom fills the quota with partial objects, of this run and of an earlier one.
func TestHalfReceivedMakesRoom(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{Quota: 100_000})
	b, c := sample(t, 90_000)
	half(t, s, b, c)
	if s.Used() != content.PieceSize {
		t.Errorf("half received: %d bytes used", s.Used())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{Quota: 100_000})
	if s.Used() != content.PieceSize {
		t.Errorf("after a restart: %d bytes used", s.Used())
	}
	p, err := s.Receive(c)
	if err != nil || p.Have() != content.PieceSize || s.Used() != c.Length {
		t.Fatalf("resumed at %d, %d bytes used, %v", p.Have(), s.Used(), err)
	}
	other, d := sample(t, 95_000)
	if err := s.Import(bytes.NewReader(other), d); !errors.Is(err, ErrQuota) {
		t.Errorf("beside an object that is being received: %v", err)
	}
	if err := p.Leave(); err != nil {
		t.Fatal(err)
	}
	if err := s.Import(bytes.NewReader(other), d); err != nil {
		t.Error(err)
	}
	if _, err := s.Receive(c); !errors.Is(err, ErrQuota) || s.Used() != d.Length {
		t.Errorf("after it: %v, %d bytes used", err, s.Used())
	}
	if left, _ := os.ReadDir(filepath.Join(dir, partialDir)); len(left) != 0 {
		t.Errorf("%d files are left half received", len(left))
	}
}

func TestProveChunk(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	_, c := put(t, s, 100_000)
	for i := range content.Chunks(c.Length) {
		p, err := s.ProveChunk(c.Root, i)
		if err != nil {
			t.Fatal(err)
		}
		if err := content.VerifyChunk(c.Root, c.Length, i, p); err != nil {
			t.Errorf("chunk %d: %v", i, err)
		}
	}
	if _, err := s.ProveChunk(c.Root, content.Chunks(c.Length)); !errors.Is(err, content.ErrRange) || !holds(s, c) {
		t.Errorf("chunk outside: %v, held %t", err, holds(s, c))
	}
	if _, err := s.ProveChunk(remora.Hash{}, 0); !errors.Is(err, remora.ErrNotFound) {
		t.Errorf("unknown content: %v", err)
	}
	spoil(t, s.objectPath(c.Root, dataSuffix), 99_999)
	if _, err := s.ProveChunk(c.Root, 0); err != nil {
		t.Errorf("a chunk far from the damage: %v", err)
	}
	if p, err := s.ProveChunk(c.Root, content.Chunks(c.Length)-1); !errors.Is(err, ErrDamaged) || p.Data != nil || holds(s, c) {
		t.Errorf("damaged chunk: %d bytes, %v, held %t", len(p.Data), err, holds(s, c))
	}
}

// spoil flips bits of one byte of a file.
func spoil(t testing.TB, name string, at int) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 0x42
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestScrubDropsWhatIsDamaged(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	_, good := put(t, s, 50_000)
	_, data := put(t, s, 60_000)
	_, tree := put(t, s, 70_000)
	_, short := put(t, s, 80_000)
	_, gone := put(t, s, 0)
	spoil(t, s.objectPath(data.Root, dataSuffix), 30_000)
	spoil(t, s.objectPath(tree.Root, treeSuffix), 100)
	if err := os.Truncate(s.objectPath(short.Root, dataSuffix), 79_999); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.objectPath(gone.Root, dataSuffix)); err != nil {
		t.Fatal(err)
	}
	found, err := scrubAll(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := scrubAll(t.Context(), s); err != nil || again.Objects != 1 || again.Bytes != 50_000 || len(again.Damaged) != 0 {
		t.Errorf("scrubbed again: %+v, %v", again, err)
	}
	if !sameContent(s.List(), []remora.Content{good}) || s.Used() != 50_000 || len(found.Damaged) != 4 || found.Objects != 5 {
		t.Errorf("list %v, %d bytes used, found %+v", s.List(), s.Used(), found)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := scrubAll(ended, s); !errors.Is(err, context.Canceled) {
		t.Errorf("after its context: %v", err)
	}
}

// TestOtherErrorsAreNotDamage lets the disk fail in a way that does not show damage.
func TestOtherErrorsAreNotDamage(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	b, c := put(t, s, 50_000)
	name := s.objectPath(c.Root, dataSuffix)
	if err := errors.Join(os.Rename(name, name+"x"), os.Mkdir(name, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := read(s, c, content.Whole(c.Length)); err == nil || errors.Is(err, ErrDamaged) || !holds(s, c) {
		t.Errorf("read of a folder: %v, held %t", err, holds(s, c))
	}
	if err := errors.Join(os.Remove(name), os.Rename(name+"x", name)); err != nil {
		t.Fatal(err)
	}
	if got, err := read(s, c, content.Whole(c.Length)); err != nil || !bytes.Equal(got, b) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestLockNamesItsHolder(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	_, err := Open(dir, Options{})
	if pid := os.Getpid(); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "process "+itoa(pid)) {
		t.Errorf("opened twice: %v", err)
	}
}

// TestManyAtOnce imports, reads, proves, scrubs and evicts concurrently; everything that is read is right.
func TestManyAtOnce(t *testing.T) {
	s := open(t, t.TempDir(), Options{Quota: 500_000, Evict: true})
	var group errgroup.Group
	for range 4 {
		samples := make(map[remora.Content][]byte)
		for i := range 6 {
			b, c := sample(t, 20_000*(i+1))
			samples[c] = b
		}
		group.Go(func() error {
			for c, b := range samples {
				if err := s.Import(bytes.NewReader(b), c); err != nil {
					return err
				}
				got, err := read(s, c, content.Whole(c.Length))
				if gone := errors.Is(err, remora.ErrNotFound) || errors.Is(err, ErrDamaged); !gone && (err != nil || !bytes.Equal(got, b)) {
					return fmt.Errorf("%d of %d bytes: %w", len(got), len(b), err)
				}
				if _, err := s.ProveChunk(c.Root, 0); err != nil && !errors.Is(err, remora.ErrNotFound) && !errors.Is(err, ErrDamaged) {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		_, err := scrubAll(t.Context(), s)
		return err
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	var sum uint64
	for _, c := range s.List() {
		sum += c.Length
	}
	if s.Used() != sum || sum > 500_000 {
		t.Errorf("%d bytes used, objects have %d", s.Used(), sum)
	}
	if found, err := scrubAll(t.Context(), s); err != nil || len(found.Damaged) != 0 {
		t.Errorf("scrubbed: %+v, %v", found, err)
	}
}
