package tree

import (
	"encoding/binary"
	"math/rand"
	"runtime"
	"testing"

	"github.com/remora-network/remora"
)

// numbered returns n changes whose keys and values follow from their numbers and salt.
func numbered(n int, salt uint64) []Change {
	changes := make([]Change, n)
	for i := range changes {
		key := binary.BigEndian.AppendUint64(nil, uint64(i))
		changes[i] = Set(KeyHash(1, key), binary.BigEndian.AppendUint64(key, salt))
	}
	return changes
}

func mustBuild(tb testing.TB, leaves []Change) Tree {
	tb.Helper()
	t, err := Tree{}.Update(leaves)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// BenchmarkUpdate changes the values of random keys of 1 M; each operation is one batch with its root, and the making of the batch.
func BenchmarkUpdate(b *testing.B) {
	base := numbered(1_000_000, 0)
	t := mustBuild(b, base)
	for _, size := range []struct {
		name string
		keys int
	}{{"100of1M", 100}, {"1000of1M", 1_000}, {"10000of1M", 10_000}} {
		b.Run(size.name, func(b *testing.B) {
			r := rand.New(rand.NewSource(1))
			now, at, batch := t, 0, make([]Change, size.keys)
			var sink remora.Hash
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch { // the odd step visits every key once before any again
					at = (at + 387_420_489) % len(base)
					batch[i].Key = base[at].Key
					r.Read(batch[i].ValueHash[:])
				}
				next, err := now.Update(batch)
				if err != nil {
					b.Fatal(err)
				}
				now, sink = next, next.Root()
			}
			if sink.IsZero() {
				b.Fatal("no root")
			}
		})
	}
}

// BenchmarkBuild builds a tree of 1 M leaves that are not sorted, and reports the heap that one leaf takes.
func BenchmarkBuild(b *testing.B) {
	leaves := numbered(1_000_000, 0)
	var before, after runtime.MemStats
	var t Tree
	b.ReportAllocs()
	for b.Loop() {
		t = mustBuild(b, leaves)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	size := t.Len()
	t = Tree{}
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(size), "heapB/leaf")
	runtime.KeepAlive(leaves)
}

// BenchmarkProve and verify one key of 1 M.
func BenchmarkProve(b *testing.B) {
	leaves := numbered(1_000_000, 0)
	t := mustBuild(b, leaves)
	root := t.Root()
	b.Run("prove", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			t.Prove(leaves[i%len(leaves)].Key)
		}
	})
	b.Run("verify", func(b *testing.B) {
		p := t.Prove(leaves[7].Key)
		for b.Loop() {
			if err := p.VerifyMember(root, leaves[7].Key, leaves[7].ValueHash); err != nil {
				b.Fatal(err)
			}
		}
	})
}
