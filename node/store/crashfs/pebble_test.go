package crashfs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble"

	"github.com/remora-network/remora/node/store/crashfs"
)

const dbDir = "home/db"

// options are small enough that a short workload rotates logs and writes tables.
func options(f *crashfs.FS, l *crashfs.Logger, version pebble.FormatMajorVersion) *pebble.Options {
	return &pebble.Options{
		FS: f, Logger: l, MemTableSize: 64 << 10, FormatMajorVersion: version,
		L0CompactionThreshold: 2, MaxManifestFileSize: 256,
	}
}

func key(i int) []byte { return fmt.Appendf(nil, "key-%04d", i) }
func value(i int) []byte {
	return fmt.Appendf(make([]byte, 3000), "value-%04d", i)
}

// fill creates a DB and writes keys in order, every third one synced, with flushes, a compaction and a restart between.
// It returns how many keys were acknowledged as durable, all before any of them included.
func fill(f *crashfs.FS, version pebble.FormatMajorVersion) (acked int, err error) {
	if err := prepare(f); err != nil {
		return 0, err
	}
	l := new(crashfs.Logger)
	const keys = 36
	for part := range 2 {
		db, err := pebble.Open(dbDir, options(f, l, version))
		if err != nil {
			return acked, err
		}
		for i := part * keys / 2; i < (part+1)*keys/2; i++ {
			synced := i%3 == 2
			if err := db.Set(key(i), value(i), &pebble.WriteOptions{Sync: synced}); err != nil {
				return acked, errors.Join(err, db.Close())
			}
			if synced && !f.Crashed() {
				acked = i + 1
			}
			if i%8 == 7 {
				if err := db.Flush(); err != nil {
					return acked, errors.Join(err, db.Close())
				}
			}
		}
		if err := errors.Join(db.Compact(key(0), key(keys), false), db.Close()); err != nil {
			return acked, err
		}
	}
	if n := len(l.Fatals()); n > 0 {
		return acked, l.Fatals()[0]
	}
	return acked, nil
}

// prepare makes the home directory durable, as a node must before it opens anything there.
func prepare(f *crashfs.FS) error {
	if err := f.MkdirAll(dbDir, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{"/", "home"} {
		d, err := f.OpenDir(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
	}
	return nil
}

// survivors reopens the DB and returns the number of its keys, which must be the first ones.
func survivors(f *crashfs.FS, version pebble.FormatMajorVersion) (n int, err error) {
	l := new(crashfs.Logger)
	if err := prepare(f); err != nil {
		return 0, err
	}
	db, err := pebble.Open(dbDir, options(f, l, version))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	it, err := db.NewIter(nil)
	if err != nil {
		return 0, err
	}
	for it.First(); it.Valid(); it.Next() {
		if string(it.Key()) != string(key(n)) || string(it.Value()) != string(value(n)) {
			return n, errors.Join(fmt.Errorf("found %q where %q belongs", it.Key(), key(n)), it.Close())
		}
		n++
	}
	return n, errors.Join(it.Close(), db.Set([]byte("alive"), nil, pebble.Sync))
}

// TestPebbleSurvivesEveryCrashPoint cuts the power at each operation.
func TestPebbleSurvivesEveryCrashPoint(t *testing.T) {
	for _, tc := range []struct {
		name    string
		version pebble.FormatMajorVersion
	}{{"oldest format", pebble.FormatMostCompatible}, {"newest format", pebble.FormatNewest}} {
		t.Run(tc.name, func(t *testing.T) {
			images, points := 0, 0
			for n := 1; ; n++ {
				f := crashfs.New(uint64(n))
				f.LoseAt(n)
				acked, err := fill(f, tc.version)
				if err != nil {
					t.Fatalf("operation %d: %v", n, err)
				}
				for _, m := range []crashfs.Mode{crashfs.Strict, crashfs.Partial, crashfs.Partial} {
					got, err := survivors(f.Crash(m), tc.version)
					if err != nil || got < acked {
						t.Fatalf("operation %d, mode %d: %d keys acknowledged, %d found, error %v", n, m, acked, got, err)
					}
					images++
				}
				if !f.Crashed() {
					break
				}
				points++
			}
			t.Logf("%d crash points, %d images", points, images)
		})
	}
}

// commit sets a key and turns the panic of Logger.Fatalf into an error.
func commit(db *pebble.DB, i int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			fatal, ok := r.(*crashfs.Fatal)
			if !ok {
				panic(r)
			}
			err = fatal
		}
	}()
	return db.Set(key(i), value(i), pebble.Sync)
}

// TestPebbleCommitFailure breaks the write-ahead log at every operation of a run of synced sets, in three ways: the set that
// meets the failure must not look acknowledged, and those before it must survive.
func TestPebbleCommitFailure(t *testing.T) {
	for _, tc := range []struct {
		name  string
		armed func(*crashfs.FS, int)
		want  error
	}{
		{"dead disk", (*crashfs.FS).FailAt, crashfs.ErrCrashed},
		{"full disk", (*crashfs.FS).FullAt, crashfs.ErrNoSpace},
		{"failed sync", (*crashfs.FS).SyncErrorAt, crashfs.ErrSync},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const keys = 6
			for k := 1; k <= 2*keys; k++ { // a set is one write and one sync
				f := crashfs.New(uint64(k))
				must(t, prepare(f))
				l := new(crashfs.Logger)
				db, err := pebble.Open(dbDir, options(f, l, pebble.FormatNewest))
				must(t, err)
				tc.armed(f, f.Ops()+k)
				acked := 0
				for err == nil && acked <= keys { // a full disk lets the last sync pass
					if err = commit(db, acked); err == nil {
						acked++
					}
				}
				if err == nil || len(l.Fatals()) != 1 || !strings.Contains(err.Error(), tc.want.Error()) {
					t.Fatalf("operation %d: error %v, %d fatals", k, err, len(l.Fatals()))
				}
				f.FailAt(f.Ops()) // the rest of the process must change nothing
				if err := db.Close(); err == nil {
					t.Fatal("close of a broken DB reports success")
				}
				got, err := survivors(f.Crash(crashfs.Partial), pebble.FormatNewest)
				if err != nil || got < acked || got > acked+1 {
					t.Fatalf("operation %d: %d keys acknowledged, %d found, error %v", k, acked, got, err)
				}
			}
		})
	}
}

// TestPebbleNeedsOrderedDirectories shows that Scattered is harder than what pebble promises to survive.
func TestPebbleNeedsOrderedDirectories(t *testing.T) {
	lost := 0
	for n := 1; ; n++ {
		f := crashfs.New(uint64(n))
		f.LoseAt(n)
		if _, err := fill(f, pebble.FormatMostCompatible); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			if _, err := survivors(f.Crash(crashfs.Scattered), pebble.FormatMostCompatible); err != nil {
				lost++
			}
		}
		if !f.Crashed() {
			break
		}
	}
	if lost == 0 {
		t.Fatal("pebble opened after every unordered crash: update the comment of Scattered")
	}
}

// TestLoggerEndsBackgroundJobs checks that Fatalf does not return to a goroutine that commits nothing.
func TestLoggerEndsBackgroundJobs(t *testing.T) {
	l := new(crashfs.Logger)
	l.Infof("nothing to %s", "see")
	returned, done := false, make(chan struct{})
	go func() {
		defer close(done)
		l.Fatalf("MANIFEST %s failed", "sync")
		returned = true
	}()
	<-done
	if fatals := l.Fatals(); returned || len(fatals) != 1 || fatals[0].Error() != "MANIFEST sync failed" {
		t.Fatalf("returned %v, fatals %v", returned, fatals)
	}
}
