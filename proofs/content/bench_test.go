package content

import (
	"bytes"
	"io"
	"testing"
)

const (
	benchSize = 64 << 20 // more than the caches of the processor hold
	gib       = 1 << 30
)

func BenchmarkWriter(b *testing.B) {
	data := sample(benchSize)
	b.SetBytes(benchSize)
	for b.Loop() {
		build(b, data)
	}
}

func BenchmarkEncoder(b *testing.B) {
	data := sample(benchSize)
	root, outboard := build(b, data)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		e, err := NewEncoder(bytes.NewReader(data), bytes.NewReader(outboard), root, benchSize, Whole(benchSize))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := e.WriteTo(struct{ io.Writer }{io.Discard}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecoder(b *testing.B) {
	data := sample(benchSize)
	root, _ := build(b, data)
	stream := encode(b, data, Whole(benchSize))
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		d, err := NewDecoder(bytes.NewReader(stream), root, benchSize, Whole(benchSize))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// zeros is 1 GiB of zero bytes that takes no memory.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

func BenchmarkChunkProofOf1GiB(b *testing.B) {
	var outboard bytes.Buffer
	w := NewWriter(&outboard)
	if _, err := io.CopyN(w, io.NewSectionReader(zeros{}, 0, gib), gib); err != nil {
		b.Fatal(err)
	}
	root, length, err := w.Finish()
	if err != nil {
		b.Fatal(err)
	}
	pairs := bytes.NewReader(outboard.Bytes())
	const index = 777_777
	proof, err := ProveChunk(zeros{}, pairs, length, index)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("prove", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ProveChunk(zeros{}, pairs, length, index); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := VerifyChunk(root, length, index, proof); err != nil {
				b.Fatal(err)
			}
		}
	})
}
