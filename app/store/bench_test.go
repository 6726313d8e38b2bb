package store

import (
	"bytes"
	"io"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

const benchSize = 64 << 20

func BenchmarkImport(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	data, c := sample(b, benchSize)
	b.SetBytes(benchSize)
	for b.Loop() {
		if err := s.Import(bytes.NewReader(data), c); err != nil {
			b.Fatal(err)
		}
		if err := s.Remove(c.Root); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStream(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	_, c := put(b, s, benchSize)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Stream(struct{ io.Writer }{io.Discard}, c.Root, content.Whole(c.Length)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProveChunk(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	_, c := put(b, s, benchSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.ProveChunk(c.Root, 54_321); err != nil {
			b.Fatal(err)
		}
	}
}

// zeros is endless content that takes no memory.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// BenchmarkChunkOf1GiB proves and verifies chunks spread over an object of 1 GiB, as the answer to a challenge does.
func BenchmarkChunkOf1GiB(b *testing.B) {
	const size = 1 << 30
	if testing.Short() {
		b.Skip("writes 1 GiB")
	}
	s := open(b, b.TempDir(), Options{})
	root, length, err := content.Root(io.LimitReader(zeros{}, size))
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Import(io.LimitReader(zeros{}, size), remora.Content{Root: root, Length: length}); err != nil {
		b.Fatal(err)
	}
	index := uint64(0)
	next := func() uint64 {
		index = (index + 7_919_333) % content.Chunks(length)
		return index
	}
	b.Run("prove", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.ProveChunk(root, next()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		at := next()
		proof, err := s.ProveChunk(root, at)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := content.VerifyChunk(root, length, at, proof); err != nil {
				b.Fatal(err)
			}
		}
	})
}
