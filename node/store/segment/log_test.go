package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/node/store/segment"
)

// expect checks that exactly the records in want (by number, below n) are stored and readable in every way.
func expect(t testing.TB, l *segment.Log, n int, want func(int) bool) {
	t.Helper()
	stored := make(map[remora.Hash]segment.Record)
	for i := range n {
		r := record(i)
		if l.Has(r.Digest) != want(i) {
			t.Fatalf("record %d: Has is %v", i, !want(i))
		}
		got, err := l.Get(r.Digest)
		switch {
		case want(i):
			if err != nil || !bytes.Equal(got, r.Payload) {
				t.Fatalf("record %d: wrong payload, error %v", i, err)
			}
			stored[r.Digest] = r
		case !errors.Is(err, segment.ErrNotFound):
			t.Fatalf("record %d: error %v, want ErrNotFound", i, err)
		}
	}
	if l.Len() != len(stored) {
		t.Fatalf("%d records in the index, want %d", l.Len(), len(stored))
	}
	_, err := l.Scan(segment.Location{}, func(loc segment.Location, r segment.Record) error {
		got, err := l.ReadRecord(loc)
		if err != nil || !equal(got, r) {
			return fmt.Errorf("scan and read disagree at %+v: %w", loc, err)
		}
		if want, ok := stored[r.Digest]; ok && !equal(want, r) {
			return fmt.Errorf("scanned record at %+v differs from what was appended", loc)
		}
		delete(stored, r.Digest)
		return nil
	})
	must(t, err)
	if len(stored) > 0 {
		t.Fatalf("scan missed %d records", len(stored))
	}
}

func all(int) bool { return true }

func equal(a, b segment.Record) bool {
	if !bytes.Equal(a.Payload, b.Payload) {
		return false
	}
	a.Payload, b.Payload = nil, nil
	return reflect.DeepEqual(a, b)
}

func TestAppendReadReopen(t *testing.T) {
	const n = 20
	fs, locs := filled(t, n)
	l, damage := open(t, fs)
	if len(damage) > 0 {
		t.Fatal(damage)
	}
	expect(t, l, n, all)
	for i, loc := range locs {
		if got, err := l.Read(loc); err != nil || !bytes.Equal(got, record(i).Payload) {
			t.Fatalf("record %d: error %v", i, err)
		}
	}
	if got := l.Segments(); len(got) < 4 {
		t.Fatalf("segments %v: too few to test rotation", got)
	}
	before := len(content(t, fs, lastFile(fs, l)))
	loc, err := l.Append(record(n))
	must(t, err)
	if loc.Segment != l.Segments()[len(l.Segments())-1] || loc.Offset != 0 && int(loc.Offset) != before {
		t.Fatalf("appended at %+v, the last segment had %d bytes", loc, before)
	}
	expect(t, l, n+1, all)
	must(t, l.Close())
}

func lastFile(fs *crashfs.FS, l *segment.Log) string {
	numbers := l.Segments()
	return fs.PathJoin(dir, fmt.Sprintf("%08d.seg", numbers[len(numbers)-1]))
}

func TestDuplicateIsStoredOnce(t *testing.T) {
	fs := crashfs.New(1)
	l, _ := open(t, fs)
	first, err := l.Append(record(1))
	must(t, err)
	ops := fs.Ops()
	second, err := l.Append(record(1))
	must(t, err)
	if first != second || fs.Ops() != ops {
		t.Fatalf("stored at %+v and %+v", first, second)
	}
	must(t, l.Close())
}

func TestLimits(t *testing.T) {
	fs := crashfs.New(1)
	l, _, err := segment.Open(fs, dir, segment.Options{MaxSegment: 100, MaxRecord: 500})
	must(t, err)
	defer func() { must(t, l.Close()) }()
	large := segment.Record{Digest: remora.Hash{1}, Payload: make([]byte, 501)}
	if _, err := l.Append(large); !errors.Is(err, segment.ErrTooLarge) {
		t.Fatalf("501 bytes: %v", err)
	}
	for i, size := range []int{500, 0, 0, 1} { // a record may be larger than a segment, and empty
		r := segment.Record{Digest: remora.Hash{2, byte(i)}, Payload: make([]byte, size)}
		loc, err := l.Append(r)
		must(t, err)
		if got, err := l.Read(loc); err != nil || len(got) != size {
			t.Fatalf("%d bytes: read %d, %v", size, len(got), err)
		}
	}
	if diff := cmp.Diff([]uint32{1, 2, 3, 4}, l.Segments()); diff != "" {
		t.Fatal(diff)
	}
	for _, o := range []segment.Options{{MaxSegment: 4 << 30}, {MaxSegment: -1}, {MaxRecord: -1}} {
		if _, _, err := segment.Open(fs, dir, o); err == nil {
			t.Errorf("options %+v accepted", o)
		}
	}
}

// none keeps no record of a segment that is removed.
func none(segment.Record) bool { return false }

func TestRemove(t *testing.T) {
	const n = 20
	fs, locs := filled(t, n)
	l, _ := open(t, fs)
	gone, thinned := locs[n/2].Segment, locs[n/2].Segment+1
	stays := func(r segment.Record) bool { return r.Author%2 == 0 }
	left := func(i int) bool {
		return locs[i].Segment != gone && (locs[i].Segment != thinned || stays(record(i)))
	}
	must(t, l.Remove(gone, none))
	must(t, l.Remove(gone, none))
	must(t, l.Remove(thinned, stays))
	last := l.Segments()[len(l.Segments())-1]
	must(t, l.Remove(last, none)) // the active one stays
	expect(t, l, n, left)
	if _, err := l.Read(locs[n/2]); !errors.Is(err, segment.ErrNotFound) {
		t.Fatalf("read of a removed record: %v", err)
	}
	image := fs.Crash(crashfs.Strict) // the removal made what it kept durable
	must(t, l.Close())
	again, damage := open(t, image)
	if len(damage) > 0 {
		t.Fatal(damage)
	}
	expect(t, again, n, left)
	_, err := again.Append(record(n / 2))
	must(t, err)
	must(t, again.Close())
}

func TestScanFromPlace(t *testing.T) {
	const n = 12
	fs, locs := filled(t, n)
	l, _ := open(t, fs)
	defer func() { must(t, l.Close()) }()
	var got []segment.Location
	_, err := l.Scan(locs[5], func(loc segment.Location, _ segment.Record) error {
		got = append(got, loc)
		return nil
	})
	must(t, err)
	if diff := cmp.Diff(locs[5:], got); diff != "" {
		t.Fatal(diff)
	}
	stop := errors.New("stop")
	if _, err := l.Scan(segment.Location{}, func(segment.Location, segment.Record) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("scan: %v", err)
	}
}

func TestClosed(t *testing.T) {
	fs, locs := filled(t, 1)
	l, _ := open(t, fs)
	must(t, l.Close())
	_, appendErr := l.Append(record(1))
	_, readErr := l.Read(locs[0])
	_, getErr := l.Get(record(0).Digest)
	for what, err := range map[string]error{
		"append": appendErr, "read": readErr, "get": getErr, "sync": l.Sync(), "remove": l.Remove(1, none), "close": l.Close(),
	} {
		if !errors.Is(err, segment.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestReadersBesideWriter reads, removes and appends at once; run with -race.
func TestReadersBesideWriter(t *testing.T) {
	const n = 300
	l, _ := open(t, crashfs.New(1))
	var readers sync.WaitGroup
	for r := range 3 {
		readers.Go(func() {
			for i := r; i < 2*n; i++ {
				want := record(i % n)
				got, err := l.Get(want.Digest)
				if err == nil && !bytes.Equal(got, want.Payload) || err != nil && !errors.Is(err, segment.ErrNotFound) {
					t.Errorf("record %d: %v", i%n, err)
				}
				if i%50 == 0 {
					if damage, err := l.Verify(); err != nil || len(damage) > 0 {
						t.Errorf("verify: %v, %v", damage, err)
					}
				}
			}
		})
	}
	for i := range n {
		loc, err := l.Append(record(i))
		must(t, err)
		if i%10 == 0 {
			must(t, l.Sync())
			must(t, l.Remove(max(loc.Segment, 8)-8, func(r segment.Record) bool { return r.Author < 5 }))
		}
	}
	readers.Wait()
	must(t, l.Close())
}
