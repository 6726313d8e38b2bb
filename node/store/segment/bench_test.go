package segment_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/vfs"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/segment"
)

// BenchmarkAppend writes 512 kB records to the real disk, syncing after each group.
func BenchmarkAppend(b *testing.B) {
	payload := make([]byte, 512_000)
	rand.NewChaCha8([32]byte{}).Read(payload)
	for _, group := range []int{0, 1, 4, 16} {
		name := fmt.Sprintf("synced every %d", group)
		if group == 0 {
			name = "never synced"
		}
		b.Run(name, func(b *testing.B) {
			l, _, err := segment.Open(vfs.Default, b.TempDir(), segment.Options{})
			must(b, err)
			b.SetBytes(int64(len(payload)))
			i := 0
			for b.Loop() {
				i++
				var digest remora.Hash
				binary.LittleEndian.PutUint64(digest[:], uint64(i))
				loc, err := l.Append(segment.Record{Digest: digest, Payload: payload})
				must(b, err)
				if group > 0 && i%group == 0 {
					must(b, l.Sync())
				}
				if i%100 == 0 {
					must(b, l.Remove(loc.Segment-1, none)) // keeps the disk small
				}
			}
			must(b, l.Close())
		})
	}
}

// BenchmarkGet reads 512 kB records from the page cache, checksum included.
func BenchmarkGet(b *testing.B) {
	l, _, err := segment.Open(vfs.Default, b.TempDir(), segment.Options{})
	must(b, err)
	r := segment.Record{Digest: remora.Hash{1}, Payload: make([]byte, 512_000)}
	_, err = l.Append(r)
	must(b, err)
	b.SetBytes(int64(len(r.Payload)))
	for b.Loop() {
		_, err := l.Get(r.Digest)
		must(b, err)
	}
	must(b, l.Close())
}

// BenchmarkOpen rebuilds the index of 100,000 small records and reports its memory.
func BenchmarkOpen(b *testing.B) {
	const n = 100_000
	dir := b.TempDir()
	o := segment.Options{MaxSegment: 4 << 20}
	l, _, err := segment.Open(vfs.Default, dir, o)
	must(b, err)
	payload := make([]byte, 1000)
	for i := range n {
		var digest remora.Hash
		binary.LittleEndian.PutUint64(digest[:], uint64(i)*0x9e3779b97f4a7c15)
		_, err := l.Append(segment.Record{Digest: digest, Payload: payload})
		must(b, err)
	}
	must(b, l.Close())
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		l, _, err := segment.Open(vfs.Default, dir, o)
		must(b, err)
		runtime.GC()
		runtime.ReadMemStats(&after)
		must(b, l.Close())
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/record")
}
