package store_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/vfs"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store"
)

// meter counts the bytes read from segments.
type meter struct {
	vfs.FS
	read int
}

type meteredFile struct {
	vfs.File
	meter *meter
}

func (f meteredFile) ReadAt(p []byte, off int64) (int, error) {
	f.meter.read += len(p)
	return f.File.ReadAt(p, off)
}

func (m *meter) metered(f vfs.File, name string, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".seg") {
		return f, err
	}
	return meteredFile{f, m}, nil
}

func (m *meter) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := m.FS.Open(name, opts...)
	return m.metered(f, name, err)
}

func (m *meter) OpenReadWrite(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := m.FS.OpenReadWrite(name, opts...)
	return m.metered(f, name, err)
}

// ledger is a store with own batches of any size, and the batches that it owes.
type ledger struct {
	t    *testing.T
	fs   *meter
	st   *store.Store
	owed map[uint64]remora.Batch // by number
	seq  uint64
}

func newLedger(t *testing.T) *ledger {
	l := &ledger{t: t, fs: &meter{FS: vfs.NewMem()}, owed: map[uint64]remora.Batch{}}
	l.open()
	t.Cleanup(l.close)
	if err := l.st.Init(remora.Hash{1}, nil); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *ledger) open() {
	l.t.Helper()
	var err error
	if l.st, err = store.Open(home, store.Options{FS: l.fs, Cache: 1 << 20}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *ledger) close() {
	if err := l.st.Close(); err != nil {
		l.t.Error(err)
	}
}

// seal stores a batch. If its number is open, it renews that batch.
func (l *ledger) seal(author remora.Authority, epoch remora.Epoch, seq uint64, size int) remora.Batch {
	l.t.Helper()
	var builder remora.BatchBuilder
	for left := size; left > 0; left -= 100_000 {
		builder.Add(make([]byte, min(left, 100_000)))
	}
	b := builder.Seal(1, epoch, author, 0, seq)
	if err := l.st.AppendBatches([]remora.Batch{b}); err != nil {
		l.t.Fatal(err)
	}
	if author == 0 {
		l.owed[seq] = b
	}
	return b
}

func (l *ledger) execute(batches ...remora.Batch) {
	l.t.Helper()
	height := l.st.Height() + 1
	leader := &remora.Header{Term: 1, Round: remora.Round(2 * height)}
	block := &remora.Block{Header: remora.BlockHeader{Height: height}, DAG: []*remora.Header{leader}}
	for _, b := range batches {
		block.Batches = append(block.Batches, b.Digest)
		if b.Author == 0 {
			delete(l.owed, b.Seq)
		}
	}
	if err := l.st.Commit(store.Commit{Block: block}); err != nil {
		l.t.Fatal(err)
	}
}

// check compares the store's answer with the batches owed, and returns the number of bytes that it read.
func (l *ledger) check() int {
	l.t.Helper()
	l.fs.read = 0
	got, _, err := l.st.Unexecuted(0)
	if err != nil {
		l.t.Fatal(err)
	}
	digests := func(list []remora.Batch) (names []string) {
		for _, b := range list {
			names = append(names, fmt.Sprintf("%d of epoch %d", b.Seq, b.Epoch))
		}
		return names
	}
	var want []remora.Batch
	for _, b := range l.owed {
		want = append(want, b)
	}
	slices.SortFunc(want, func(a, b remora.Batch) int { return int(a.Seq) - int(b.Seq) })
	if !slices.Equal(digests(got), digests(want)) {
		l.t.Fatalf("owed are %q, want %q", digests(got), digests(want))
	}
	return l.fs.read
}

// TestOwedAreFoundWithoutReadingEverything fills a segment and a half, with few batches owed.
func TestOwedAreFoundWithoutReadingEverything(t *testing.T) {
	l := newLedger(t)
	for range 170 {
		l.seq++
		b := l.seal(remora.Authority(l.seq%2), 1, l.seq, 600_000)
		if l.seq != 60 {
			l.execute(b)
		}
	}
	if read := l.check(); read > 3<<20 {
		t.Errorf("read %d bytes of 102 MB", read)
	}
	l.close()
	l.open()
	if read := l.check(); read > 3<<20 {
		t.Errorf("read %d bytes of 102 MB after a restart", read)
	}
	l.execute(l.owed[60])
	l.check()
	if read := l.check(); read > 500<<10 {
		t.Errorf("read %d bytes of segments that owe nothing", read)
	}
}

// TestOwedFollowTheirBatches seals, renews, executes and restarts at random, in segments of 64 MiB.
func TestOwedFollowTheirBatches(t *testing.T) {
	l := newLedger(t)
	random := rand.New(rand.NewPCG(1, 2))
	epoch := remora.Epoch(1)
	for step := range 400 {
		switch pick := random.IntN(20); {
		case pick < 9:
			l.seq++
			l.seal(remora.Authority(random.IntN(2)), epoch, l.seq, 1+random.IntN(600_000))
		case pick < 17:
			if numbers := slices.Sorted(maps.Keys(l.owed)); len(numbers) > 0 {
				l.execute(l.owed[numbers[random.IntN(len(numbers))]])
			}
		case pick == 17:
			epoch++
			for _, seq := range slices.Sorted(maps.Keys(l.owed)) {
				if b := l.owed[seq]; b.Epoch+1 < epoch {
					l.seal(0, epoch, seq, len(b.Raw))
				}
			}
		default:
			l.close()
			l.open()
			l.check()
		}
		if step%50 == 0 {
			l.check()
		}
	}
}
