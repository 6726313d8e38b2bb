package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/vfs"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/node/store/segment"
)

// history records what a workload did to a log.
type history struct {
	appended int    // records 0 to appended-1 were given to Append
	acked    int    // records 0 to acked-1 are durable by promise
	removed  uint32 // segment of which every second record stays
	locs     []segment.Location
}

func (h *history) keeps(r segment.Record) bool { return r.Author%2 == 0 }

// prepare makes the directory above the log durable, which is its owner's duty.
func prepare(fs *crashfs.FS) error {
	if err := fs.MkdirAll("home", 0o755); err != nil {
		return err
	}
	root, err := fs.OpenDir("/")
	if err != nil {
		return err
	}
	return errors.Join(root.Sync(), root.Close())
}

// fill appends groups of records and syncs after each, with a restart and a removal between.
func fill(fs *crashfs.FS, h *history) error {
	if err := prepare(fs); err != nil {
		return err
	}
	for part := range 4 {
		l, damage, err := segment.Open(fs, dir, small)
		if err != nil {
			return err
		}
		if len(damage) > 0 {
			return errors.Join(fmt.Errorf("damage after an orderly end: %v", damage), l.Close())
		}
		if err := fillPart(fs, l, h, part); err != nil {
			if cerr := l.Close(); cerr == nil {
				return fmt.Errorf("log closed without error after: %w", err)
			}
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

func fillPart(fs *crashfs.FS, l *segment.Log, h *history, part int) error {
	for group := range 5 {
		for range 1 + group {
			h.appended++
			loc, err := l.Append(record(h.appended - 1))
			if err != nil {
				return err
			}
			h.locs = append(h.locs, loc)
		}
		if err := l.Sync(); err != nil {
			return err
		}
		if !fs.Crashed() {
			h.acked = h.appended
		}
	}
	if part == 1 {
		h.removed = h.locs[h.appended/2].Segment - 1
		return l.Remove(h.removed, h.keeps)
	}
	return nil
}

// check opens the log that a crash left: it must open, hold all acknowledged records and only appended ones, and accept
// more.
func check(fs vfs.FS, h history) error {
	l, _, err := segment.Open(fs, dir, small)
	if err != nil {
		return fmt.Errorf("reopen: %w", err)
	}
	known := make(map[remora.Hash]bool)
	for i := range h.appended {
		r := record(i)
		known[r.Digest] = true
		got, err := l.Get(r.Digest)
		gone := i < len(h.locs) && h.locs[i].Segment == h.removed && !h.keeps(r)
		if err == nil && !bytes.Equal(got, r.Payload) || err != nil && i < h.acked && !gone {
			return errors.Join(fmt.Errorf("record %d of %d acknowledged: %w", i, h.acked, err), l.Close())
		}
	}
	_, err = l.Scan(segment.Location{}, func(loc segment.Location, r segment.Record) error {
		if !known[r.Digest] || !genuine(r.Digest, r.Payload) {
			return fmt.Errorf("record at %+v was never appended", loc)
		}
		return nil
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	for i := range h.appended + 2 {
		if _, err := l.Append(record(i)); err != nil {
			return errors.Join(fmt.Errorf("append after the crash: %w", err), l.Close())
		}
	}
	if err := l.Close(); err != nil {
		return err
	}
	return checkAgain(fs, h.appended+2)
}

// checkAgain reopens after the recovery: there is no torn tail any more and every record is stored.
func checkAgain(fs vfs.FS, n int) error {
	l, damage, err := segment.Open(fs, dir, small)
	if err != nil {
		return fmt.Errorf("second reopen: %w", err)
	}
	for _, d := range damage {
		if d.Torn {
			err = errors.Join(err, fmt.Errorf("second reopen: %v", d))
		}
	}
	for i := range n {
		if _, gerr := l.Get(record(i).Digest); gerr != nil {
			err = errors.Join(err, fmt.Errorf("record %d after the repair: %w", i, gerr))
		}
	}
	return errors.Join(err, l.Close())
}

var modes = []crashfs.Mode{crashfs.Strict, crashfs.Partial, crashfs.Partial, crashfs.Scattered, crashfs.Scattered}

// TestSurvivesEveryCrashPoint ends the process at each operation, with and without errors that it can see.
func TestSurvivesEveryCrashPoint(t *testing.T) {
	for _, tc := range []struct {
		name string
		arm  func(*crashfs.FS, int)
	}{{"fail", (*crashfs.FS).FailAt}, {"lose", (*crashfs.FS).LoseAt}} {
		t.Run(tc.name, func(t *testing.T) {
			points, images := 0, 0
			for n := 1; ; n++ {
				fs, h := crashfs.New(uint64(n)), history{}
				tc.arm(fs, n)
				err := fill(fs, &h)
				if err != nil && !errors.Is(err, crashfs.ErrCrashed) {
					t.Fatalf("operation %d: %v", n, err)
				}
				for _, m := range modes {
					if err := check(fs.Crash(m), h); err != nil {
						t.Fatalf("operation %d, mode %d: %v", n, m, err)
					}
					images++
				}
				if !fs.Crashed() {
					break
				}
				points++
			}
			if points < 100 {
				t.Errorf("only %d crash points", points)
			}
			t.Logf("%d crash points, %d images", points, images)
		})
	}
}

// TestSurvivesCrashDuringRecovery crashes once, then again at every operation of the recovery.
func TestSurvivesCrashDuringRecovery(t *testing.T) {
	points := 0
	for first := 10; first < 100; first++ {
		for n := 1; ; n++ {
			fs, h := crashfs.New(uint64(first)), history{}
			fs.FailAt(first)
			if err := fill(fs, &h); !errors.Is(err, crashfs.ErrCrashed) {
				t.Fatal(err)
			}
			second := fs.Crash(crashfs.Partial)
			second.FailAt(n)
			l, _, err := segment.Open(second, dir, small)
			if err == nil {
				must(t, l.Close())
			}
			for _, m := range modes {
				if err := check(second.Crash(m), h); err != nil {
					t.Fatalf("operation %d, then %d of the recovery, mode %d: %v", first, n, m, err)
				}
			}
			if !second.Crashed() {
				break
			}
			points++
		}
	}
	t.Logf("%d crash points in recoveries", points)
}

// TestRecoveredTailIsDurable kills the process but not the machine: records that the next process found in the page
// cache must survive a power failure right after Open, since they count as stored.
func TestRecoveredTailIsDurable(t *testing.T) {
	fs := crashfs.New(1)
	must(t, prepare(fs))
	l, _ := open(t, fs)
	for i := range 3 {
		_, err := l.Append(record(i))
		must(t, err)
	}
	next, _ := open(t, fs)
	expect(t, next, 3, all)
	after, _ := open(t, fs.Crash(crashfs.Strict))
	expect(t, after, 3, all)
	must(t, errors.Join(l.Close(), next.Close(), after.Close()))
}

// TestFailureIsFinal breaks one write or sync at every operation: the log accepts nothing more, can still be read, and
// all acknowledged records survive.
func TestFailureIsFinal(t *testing.T) {
	for _, tc := range []struct {
		name string
		arm  func(*crashfs.FS, int)
		want error
	}{
		{"disk full", (*crashfs.FS).FullAt, crashfs.ErrNoSpace},
		{"sync fails once", (*crashfs.FS).SyncErrorAt, crashfs.ErrSync},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for n := 1; ; n++ {
				fs, h := crashfs.New(uint64(n)), history{}
				must(t, prepare(fs))
				l, _ := open(t, fs)
				tc.arm(fs, fs.Ops()+n)
				err := fillPart(fs, l, &h, 0)
				if err == nil {
					must(t, l.Close())
					break
				}
				if !errors.Is(err, segment.ErrFailed) || !errors.Is(err, tc.want) {
					t.Fatalf("operation %d: %v", n, err)
				}
				fs.Heal()
				_, appendErr := l.Append(record(1000))
				for _, later := range []error{appendErr, l.Sync(), l.Remove(1, none)} {
					if !errors.Is(later, segment.ErrFailed) {
						t.Fatalf("operation %d: after the failure %v", n, later)
					}
				}
				for i := range h.acked {
					if _, err := l.Get(record(i).Digest); err != nil {
						t.Fatalf("operation %d: reading after the failure: %v", n, err)
					}
				}
				if err := l.Close(); !errors.Is(err, segment.ErrFailed) {
					t.Fatalf("operation %d: close: %v", n, err)
				}
				for _, m := range modes {
					if err := check(fs.Crash(m), h); err != nil {
						t.Fatalf("operation %d, mode %d: %v", n, m, err)
					}
				}
			}
		})
	}
}
