package store

import (
	"bytes"
	"io"
	"testing"

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
