package content

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"lukechampine.com/blake3/bao"

	"github.com/remora-network/remora"
)

func prove(t testing.TB, data, outboard []byte, index uint64) ChunkProof {
	t.Helper()
	p, err := ProveChunk(bytes.NewReader(data), bytes.NewReader(outboard), uint64(len(data)), index)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestEveryChunkOfEverySize proves all chunks, and offers each proof for its neighbours and for other lengths.
func TestEveryChunkOfEverySize(t *testing.T) {
	for _, size := range sizes() {
		if size > 100<<10 {
			continue
		}
		data := sample(size)
		length := uint64(size)
		root, outboard := build(t, data)
		for i := range Chunks(length) {
			p := prove(t, data, outboard, i)
			if err := VerifyChunk(root, length, i, p); err != nil {
				t.Fatalf("chunk %d of %d bytes: %v", i, size, err)
			}
			if want := data[i*ChunkSize : min(length, (i+1)*ChunkSize)]; !bytes.Equal(p.Data, want) {
				t.Fatalf("chunk %d of %d bytes: other bytes than the content's", i, size)
			}
			for _, other := range []uint64{i + 1, i - 1, i ^ 2, Chunks(length) - 1, Chunks(length)} {
				if other != i && VerifyChunk(root, length, other, p) == nil {
					t.Fatalf("the proof of chunk %d of %d bytes passes for chunk %d", i, size, other)
				}
			}
		}
		if _, err := ProveChunk(bytes.NewReader(data), bytes.NewReader(outboard), length, Chunks(length)); !errors.Is(err, ErrRange) {
			t.Fatalf("chunk after the last of %d bytes: %v", size, err)
		}
	}
}

// TestProofsMatchTheOtherImplementation compares paths with those in slices of one chunk made by bao.
func TestProofsMatchTheOtherImplementation(t *testing.T) {
	for _, size := range []int{1, 1024, 1025, 5000, PieceSize, PieceSize + 1, 7*PieceSize + 3000, 16 * PieceSize} {
		data := sample(size)
		_, outboard := build(t, data)
		encoded, _ := bao.EncodeBuf(data, 0, false)
		for i := range Chunks(uint64(size)) {
			p := prove(t, data, outboard, i)
			var slice bytes.Buffer
			if err := bao.ExtractSlice(&slice, bytes.NewReader(encoded), nil, 0, i*ChunkSize, uint64(len(p.Data))); err != nil {
				t.Fatal(err)
			}
			slice.Next(8)
			for _, sibling := range slices.Backward(p.Path) {
				if pair := slice.Next(PairSize); !bytes.Contains(pair, sibling[:]) {
					t.Fatalf("chunk %d of %d bytes: path differs from bao's slice", i, size)
				}
			}
			if !bytes.Equal(slice.Bytes(), p.Data) {
				t.Fatalf("chunk %d of %d bytes: path is shorter than bao's", i, size)
			}
		}
	}
}

// TestLengthIsPartOfTheShape offers proofs under lengths that give the chunk another path or size.
func TestLengthIsPartOfTheShape(t *testing.T) {
	const size = 40*ChunkSize + 500
	data := sample(size)
	root, outboard := build(t, data)
	first, last := prove(t, data, outboard, 0), prove(t, data, outboard, 40)
	for _, length := range []uint64{0, 1, 500, ChunkSize, 32 * ChunkSize, 65 * ChunkSize, 1 << 30, MaxLength, MaxLength + 1, ^uint64(0)} {
		if VerifyChunk(root, length, 0, first) == nil {
			t.Errorf("chunk 0 passes in a content of %d bytes", length)
		}
		if VerifyChunk(root, length, 40, last) == nil {
			t.Errorf("chunk 40 passes in a content of %d bytes", length)
		}
	}
	for length := uint64(size - 499); length < size+600; length++ {
		if length != size && VerifyChunk(root, length, 40, last) == nil {
			t.Errorf("the last chunk passes in a content of %d bytes", length)
		}
	}
}

func TestEveryFlippedByteOfAProofIsRefused(t *testing.T) {
	const size = 37*ChunkSize + 321
	data := sample(size)
	root, outboard := build(t, data)
	for _, index := range []uint64{0, 5, 16, 31, 32, 36, 37} {
		p := prove(t, data, outboard, index)
		for i := range p.Data {
			p.Data[i] ^= 1
			if err := VerifyChunk(root, size, index, p); !errors.Is(err, ErrMismatch) {
				t.Fatalf("chunk %d, byte %d flipped: %v", index, i, err)
			}
			p.Data[i] ^= 1
		}
		for i := range len(p.Path) * remora.HashSize {
			at := &p.Path[i/remora.HashSize][i%remora.HashSize]
			*at ^= 0x80
			if err := VerifyChunk(root, size, index, p); !errors.Is(err, ErrMismatch) {
				t.Fatalf("chunk %d, byte %d of the path flipped: %v", index, i, err)
			}
			*at ^= 0x80
		}
		if err := VerifyChunk(root, size, index, p); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProofsOfWrongShapeAreRefused(t *testing.T) {
	const size = 37 * ChunkSize
	data := sample(size)
	root, outboard := build(t, data)
	p := prove(t, data, outboard, 9)
	for name, bad := range map[string]ChunkProof{
		"none":         {},
		"no path":      {Data: p.Data},
		"short path":   {Data: p.Data, Path: p.Path[1:]},
		"long path":    {Data: p.Data, Path: append(slices.Clone(p.Path), remora.Hash{})},
		"huge path":    {Data: p.Data, Path: make([]remora.Hash, 1000)},
		"short chunk":  {Data: p.Data[1:], Path: p.Path},
		"long chunk":   {Data: append(slices.Clone(p.Data), 0), Path: p.Path},
		"a whole pair": {Data: data[8*ChunkSize : 10*ChunkSize], Path: p.Path[1:]},
	} {
		if err := VerifyChunk(root, size, 9, bad); !errors.Is(err, ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := VerifyChunk(root, size, 37, p); !errors.Is(err, ErrRange) {
		t.Errorf("chunk outside: %v", err)
	}
}

// TestProverReportsShortFiles cuts content and outboard.
func TestProverReportsShortFiles(t *testing.T) {
	data := sample(4 * PieceSize)
	_, outboard := build(t, data)
	length := uint64(len(data))
	if _, err := ProveChunk(bytes.NewReader(data[:10]), bytes.NewReader(outboard), length, 63); !errors.Is(err, ErrMismatch) {
		t.Errorf("short content: %v", err)
	}
	if _, err := ProveChunk(bytes.NewReader(data), bytes.NewReader(outboard[:70]), length, 63); !errors.Is(err, ErrMismatch) {
		t.Errorf("short outboard: %v", err)
	}
}

func FuzzVerifyChunk(f *testing.F) {
	data := sample(37*ChunkSize + 5)
	root, outboard := build(f, data)
	p := prove(f, data, outboard, 37)
	f.Add(remora.Encode(p), uint64(len(data)), uint64(37))
	f.Add(remora.Encode(ChunkProof{}), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, encoded []byte, length, index uint64) {
		var p ChunkProof
		if remora.Decode(encoded, 4096, &p) != nil {
			return
		}
		if VerifyChunk(root, length, index, p) != nil {
			return
		}
		if end := index*ChunkSize + uint64(len(p.Data)); !bytes.Equal(p.Data, data[index*ChunkSize:end]) {
			t.Fatal("a chunk passed that is not the content's")
		}
	})
}
