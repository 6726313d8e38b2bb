package content

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	lukechampine "lukechampine.com/blake3"
	"lukechampine.com/blake3/bao"

	"github.com/remora-network/remora"
)

// group is the size of a piece in the terms of the independent implementation: 2^4 chunks.
const group = 4

// sample is the input of BLAKE3's own test vectors: the bytes count up modulo 251.
func sample(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

// sizes are all around which the shape of the tree changes, and a stride of primes up to 70 KiB.
func sizes() []int {
	list := []int{}
	for size := 0; size < 70<<10; size += 1009 {
		list = append(list, size)
	}
	for _, edge := range []int{1 << 10, 2 << 10, 15 << 10, 16 << 10, 17 << 10, 32 << 10, 48 << 10, 64 << 10, 80 << 10, 1 << 20} {
		list = append(list, edge-1, edge, edge+1)
	}
	return append(list, 1, 2, 63, 64, 65, 300<<10+7)
}

// build runs the bytes through a Writer in one piece.
func build(t testing.TB, data []byte) (root remora.Hash, outboard []byte) {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	root, length, err := w.Finish()
	if err != nil || length != uint64(len(data)) {
		t.Fatalf("Finish: length %d of %d, %v", length, len(data), err)
	}
	return root, out.Bytes()
}

// postOrder turns the pre-order outboard of the independent implementation, without its header, into ours.
func postOrder(preOrder []byte, length uint64) (post, rest []byte) {
	if length <= PieceSize {
		return nil, preOrder
	}
	left, right := span{0, length}.split()
	pair, rest := preOrder[:PairSize], preOrder[PairSize:]
	l, rest := postOrder(rest, left.length)
	r, rest := postOrder(rest, right.length)
	return bytes.Join([][]byte{l, r, pair}, nil), rest
}

func TestRootAndOutboardMatchOtherImplementations(t *testing.T) {
	for _, size := range sizes() {
		data := sample(size)
		root, outboard := build(t, data)
		if want := remora.SumBLAKE3(data); root != want {
			t.Fatalf("%d bytes: root %s, zeebo/blake3 has %s", size, root, want)
		}
		if want := remora.Hash(lukechampine.Sum256(data)); root != want {
			t.Fatalf("%d bytes: root %s, lukechampine/blake3 has %s", size, root, want)
		}
		encoded, _ := bao.EncodeBuf(data, group, true)
		want, rest := postOrder(encoded[8:], uint64(size))
		if !bytes.Equal(outboard, want) || len(rest) != 0 {
			t.Fatalf("%d bytes: the outboard differs from lukechampine/blake3/bao", size)
		}
		if uint64(len(outboard)) != OutboardSize(uint64(size)) {
			t.Fatalf("%d bytes: outboard of %d bytes, OutboardSize says %d", size, len(outboard), OutboardSize(uint64(size)))
		}
	}
}

func TestWriterDoesNotCareHowItIsFed(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for _, size := range sizes() {
		data := sample(size)
		root, outboard := build(t, data)
		var out bytes.Buffer
		w := NewWriter(&out)
		for rest := data; len(rest) > 0; {
			n := min(len(rest), rng.Intn(3*PieceSize))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if got, _, err := w.Finish(); err != nil || got != root || !bytes.Equal(out.Bytes(), outboard) {
			t.Fatalf("%d bytes in random writes: root %s, want %s, %v", size, got, root, err)
		}
		if got, length, err := Root(bytes.NewReader(data)); err != nil || got != root || length != uint64(size) {
			t.Fatalf("Root of %d bytes: %s, %d, %v", size, got, length, err)
		}
	}
}

func TestWriterEnds(t *testing.T) {
	w := NewWriter(io.Discard)
	if _, _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("late")); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("Write after Finish: %v", err)
	}
	if _, _, err := w.Finish(); !errors.Is(err, remora.ErrInvalid) {
		t.Errorf("second Finish: %v", err)
	}
	w = NewWriter(io.Discard)
	w.pieces = MaxLength / PieceSize
	if _, err := w.Write([]byte{0}); !errors.Is(err, remora.ErrTooLarge) {
		t.Errorf("more than MaxLength: %v", err)
	}
}

var errFull = errors.New("no space")

// fullWriter takes some bytes and then no more.
type fullWriter struct{ room int }

func (f *fullWriter) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriterReportsOutboardErrors(t *testing.T) {
	data := sample(5 * PieceSize)
	for room := 0; room < int(OutboardSize(uint64(len(data)))); room += PairSize {
		w := NewWriter(&fullWriter{room})
		_, errWrite := w.Write(data)
		_, _, errFinish := w.Finish()
		if !errors.Is(errFinish, errFull) {
			t.Errorf("room for %d bytes: Write %v, Finish %v: want the writer's error", room, errWrite, errFinish)
		}
	}
}

func TestRootReportsReadErrors(t *testing.T) {
	if _, _, err := Root(io.MultiReader(bytes.NewReader(sample(100)), errReader{})); !errors.Is(err, errFull) {
		t.Errorf("Root: %v", err)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errFull }

// TestShapeArithmetic compares the closed formulas with a walk over the tree.
func TestShapeArithmetic(t *testing.T) {
	for _, size := range sizes() {
		length := uint64(size)
		var pieces, chunks int
		count(span{0, length}, PieceSize, &pieces)
		count(span{0, length}, ChunkSize, &chunks)
		got := []uint64{Pieces(length), Chunks(length), OutboardSize(length)}
		want := []uint64{uint64(pieces), uint64(chunks), 64 * uint64(pieces-1)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d bytes (-want +got):\n%s", size, diff)
		}
	}
	if got := Pieces(MaxLength); got != 1<<46 {
		t.Errorf("pieces of the longest content: %d", got)
	}
}

func count(s span, leaf uint64, n *int) {
	if s.length <= leaf {
		*n++
		return
	}
	left, right := s.split()
	count(left, leaf, n)
	count(right, leaf, n)
}

// slice returns the stream that the independent implementation makes of a range, without its header.
func slice(t testing.TB, data []byte, rng Range) []byte {
	t.Helper()
	encoded, _ := bao.EncodeBuf(data, group, false)
	var out bytes.Buffer
	if err := bao.ExtractSlice(&out, bytes.NewReader(encoded), nil, group, rng.Offset, rng.Length); err != nil {
		t.Fatal(err)
	}
	if header := out.Next(8); binary.LittleEndian.Uint64(header) != uint64(len(data)) {
		t.Fatalf("header %x of %d bytes", header, len(data))
	}
	return out.Bytes()
}
