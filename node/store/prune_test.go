package store_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
)

// dump of batches in small segments: what executed, what waits, and rubbish of a member.
type landfill struct {
	fs       *crashfs.FS
	st       *store.Store
	seq      uint64
	executed []remora.Batch
	waiting  []remora.BatchRef
	rubbish  []remora.Batch
}

func openLandfill(fs *crashfs.FS) (*store.Store, error) {
	return store.Open(home, store.Options{FS: fs, Cache: 1 << 20, Segment: 64 << 10, Logger: new(crashfs.Logger)})
}

func newLandfill(t *testing.T) *landfill {
	t.Helper()
	l := &landfill{fs: crashfs.New(1)}
	var err error
	if l.st, err = openLandfill(l.fs); err != nil {
		t.Fatal(err)
	}
	if err := l.st.Init(remora.Hash{1}, nil); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *landfill) append(t *testing.T, author remora.Authority, epoch remora.Epoch, size int) remora.Batch {
	t.Helper()
	var builder remora.BatchBuilder
	builder.Add(make([]byte, size))
	l.seq++
	b := builder.Seal(1, epoch, author, 0, l.seq)
	if err := l.st.AppendBatches([]remora.Batch{b}); err != nil {
		t.Fatal(err)
	}
	return b
}

// fillEpoch stores batches of an epoch, of which one in n executes and one of each hundred waits.
func (l *landfill) fillEpoch(t *testing.T, epoch remora.Epoch, n int) {
	t.Helper()
	height := l.st.Height() + 1
	block := &remora.Block{Header: remora.BlockHeader{Height: height}, DAG: []*remora.Header{{Term: 1, Round: remora.Round(2 * height)}}}
	for i := range 400 {
		b := l.append(t, remora.Authority(1+i%3), epoch, 1000)
		switch {
		case i%n == 0:
			l.executed = append(l.executed, b)
			block.Batches = append(block.Batches, b.Digest)
		case i%100 == 99:
			l.waiting = append(l.waiting, b.Ref())
		default:
			l.rubbish = append(l.rubbish, b)
		}
	}
	if err := l.st.Commit(store.Commit{Block: block}); err != nil {
		t.Fatal(err)
	}
}

// prune removes all it can in a state of an epoch and returns the bytes freed.
func (l *landfill) prune(t *testing.T, epoch remora.Epoch) (freed int64) {
	t.Helper()
	for more := true; more; {
		n, again, err := l.st.PruneBatches(store.Pruning{Self: 0, Epoch: epoch, Waiting: l.waiting})
		if err != nil {
			t.Fatal(err)
		}
		freed, more = freed+n, again
	}
	return freed
}

// expectNeeded fails unless everything that executed or waits is there.
func (l *landfill) expectNeeded(t *testing.T, st *store.Store) {
	t.Helper()
	for _, b := range l.executed {
		if _, err := st.Batch(b.Digest); err != nil {
			t.Fatalf("an executed batch: %v", err)
		}
	}
	for _, ref := range l.waiting {
		if _, err := st.Batch(ref.Digest); err != nil {
			t.Fatalf("a batch that waits: %v", err)
		}
	}
}

func (l *landfill) left(st *store.Store) (n int) {
	for _, b := range l.rubbish {
		if st.HasBatch(b.Digest) {
			n++
		}
	}
	return n
}

// TestRubbishGoes has members leave batches that never execute, for many epochs: what stays is what executed, what waits, and the
// rubbish of the newest epochs.
func TestRubbishGoes(t *testing.T) {
	l := newLandfill(t)
	for epoch := remora.Epoch(1); epoch <= 10; epoch++ {
		l.fillEpoch(t, epoch, 20)
		l.prune(t, epoch)
		l.expectNeeded(t, l.st)
		if n := l.left(l.st); n > 3*400 {
			t.Fatalf("epoch %d: %d batches of rubbish are left", epoch, n)
		}
	}
	if err := l.st.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := openLandfill(l.fs)
	if err != nil {
		t.Fatal(err)
	}
	l.expectNeeded(t, again)
	if n := l.left(again); n > 3*400 {
		t.Errorf("%d batches of rubbish are back", n)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestYoungBatchesStay prunes in the epoch after a batch's own, in which it may still be accepted.
func TestYoungBatchesStay(t *testing.T) {
	l := newLandfill(t)
	defer l.st.Close()
	l.fillEpoch(t, 5, 1000)
	l.fillEpoch(t, 9, 1000)
	for epoch := remora.Epoch(5); epoch <= 6; epoch++ {
		if freed := l.prune(t, epoch); freed > 0 {
			t.Fatalf("%d bytes are gone in epoch %d", freed, epoch)
		}
	}
	if l.prune(t, 7) == 0 || l.left(l.st) < 390 {
		t.Errorf("%d batches of rubbish are left", l.left(l.st))
	}
}

// TestFarEpochsHoldNothingUp stores batches of an epoch that never comes among rubbish.
func TestFarEpochsHoldNothingUp(t *testing.T) {
	l := newLandfill(t)
	defer l.st.Close()
	l.append(t, 3, 1<<62, 1000)
	l.fillEpoch(t, 1, 20)
	if l.prune(t, 3) == 0 {
		t.Error("nothing is gone")
	}
}

// TestPayingSegmentsStay: segments with more executed batches than rubbish are not written again.
func TestPayingSegmentsStay(t *testing.T) {
	l := newLandfill(t)
	defer l.st.Close()
	l.fillEpoch(t, 1, 1)
	before := l.fs.Ops()
	if freed := l.prune(t, 9); freed > 0 {
		t.Errorf("%d bytes are gone", freed)
	}
	l.expectNeeded(t, l.st)
	if ops := l.fs.Ops() - before; ops > 200 {
		t.Errorf("%d operations", ops)
	}
}

// TestOwedBatchesStay keeps own batches that clients were promised until they are sealed again.
func TestOwedBatchesStay(t *testing.T) {
	l := newLandfill(t)
	defer l.st.Close()
	own := l.append(t, 0, 1, 1000)
	l.fillEpoch(t, 1, 1000)
	if freed := l.prune(t, 9); freed > 0 || !l.st.HasBatch(own.Digest) {
		t.Fatal("an acknowledged batch is gone")
	}
	var builder remora.BatchBuilder
	builder.Add(make([]byte, 1000))
	again := builder.Seal(1, 9, 0, 0, own.Seq)
	if err := l.st.AppendBatches([]remora.Batch{again}); err != nil {
		t.Fatal(err)
	}
	if l.prune(t, 9) == 0 || l.st.HasBatch(own.Digest) {
		t.Error("the old copy of a batch that was sealed again stays")
	}
	if owed, next, err := l.st.Unexecuted(0); err != nil || len(owed) != 1 || owed[0].Digest != again.Digest || next != own.Seq+1 {
		t.Errorf("owed are %v, the next number is %d, %v", owed, next, err)
	}
}

// TestPruningSurvivesCrashes cuts the power at each operation of a pruning: what executed or waits is there afterwards, and the
// pruning can be done again.
func TestPruningSurvivesCrashes(t *testing.T) {
	filled := newLandfill(t)
	filled.fillEpoch(t, 1, 10)
	filled.fillEpoch(t, 5, 400)
	if err := filled.st.Close(); err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(1, 2))
	points := 0
	for n := 1; ; n++ {
		l := *filled
		l.fs = filled.fs.Crash(crashfs.Whole)
		var err error
		if l.st, err = openLandfill(l.fs); err != nil {
			t.Fatal(err)
		}
		l.fs.LoseAt(l.fs.Ops() + n)
		l.prune(t, 4)
		crashed := l.fs.Crashed()
		mode := []crashfs.Mode{crashfs.Strict, crashfs.Partial, crashfs.Scattered}[chance.IntN(3)]
		image := l.fs.Crash(mode)
		if err := l.st.Close(); err != nil && !errors.Is(err, crashfs.ErrCrashed) {
			t.Fatal(err)
		}
		l.fs = image
		if l.st, err = openLandfill(image); err != nil {
			t.Fatalf("operation %d: %v", n, err)
		}
		l.expectNeeded(t, l.st)
		l.prune(t, 4)
		l.expectNeeded(t, l.st)
		if left := l.left(l.st); left > 500 {
			t.Fatalf("operation %d: %d batches of rubbish are left", n, left)
		}
		if err := l.st.Close(); err != nil {
			t.Fatal(err)
		}
		if !crashed {
			break
		}
		points++
	}
	t.Logf("%d crash points", points)
	if points < 10 {
		t.Errorf("%d crash points: the workload does too little", points)
	}
}
