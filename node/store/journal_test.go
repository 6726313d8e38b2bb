package store_test

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/remora-network/remora/app/delivery"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
)

var _ delivery.Journal = (*store.Journal)(nil)

// rows returns the whole content of a journal.
func rows(t *testing.T, j *store.Journal) map[string]string {
	t.Helper()
	all := map[string]string{}
	if err := j.Ascend(nil, func(k, v []byte) bool { all[string(k)] = string(v); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}

func openJournal(fs *crashfs.FS) (*store.Journal, error) {
	return store.OpenJournal("/journal", store.Options{FS: fs, Logger: new(crashfs.Logger)})
}

func TestJournalKeepsOrderAndDropsPrefixes(t *testing.T) {
	j, err := store.OpenJournal(t.TempDir()+"/journal", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	write := func(puts map[string][]byte, drops ...string) {
		t.Helper()
		var prefixes [][]byte
		for _, d := range drops {
			prefixes = append(prefixes, []byte(d))
		}
		if err := j.Write(puts, prefixes); err != nil {
			t.Fatal(err)
		}
	}
	write(map[string][]byte{"a1": []byte("x"), "a2": []byte("y"), "a\xff\xff": []byte("z"), "b": nil})
	if v, err := j.Get([]byte("a2")); string(v) != "y" || err != nil {
		t.Errorf("a2: %q, %v", v, err)
	}
	if v, err := j.Get([]byte("a")); v != nil || err != nil {
		t.Errorf("a: %q, %v", v, err)
	}
	var seen []string
	err = j.Ascend([]byte("a"), func(k, _ []byte) bool { seen = append(seen, string(k)); return len(seen) < 2 })
	if err != nil || strings.Join(seen, " ") != "a1 a2" {
		t.Errorf("ascended over %q, %v", seen, err)
	}
	write(map[string][]byte{"a9": []byte("new")}, "a") // drops come first
	if got := rows(t, j); !maps.Equal(got, map[string]string{"a9": "new", "b": ""}) {
		t.Errorf("after the drop: %q", got)
	}
	if err := j.Write(map[string][]byte{"c": nil}, [][]byte{{255}}); err == nil || len(rows(t, j)) != 2 {
		t.Errorf("a write that was refused left %q, %v", rows(t, j), err)
	}
}

// journalState is the content of a journal after n writes of a workload.
func journalState(n int) map[string]string {
	want := map[string]string{}
	for i := 1; i <= n; i++ {
		puts, drops := journalWrite(i)
		for _, d := range drops {
			maps.DeleteFunc(want, func(k, _ string) bool { return strings.HasPrefix(k, string(d)) })
		}
		for k, v := range puts {
			want[k] = string(v)
		}
	}
	return want
}

// journalWrite is write i of the workload: it sets three rows and removes those of three writes ago.
func journalWrite(i int) (puts map[string][]byte, drops [][]byte) {
	puts = map[string][]byte{"last": fmt.Append(nil, i)}
	for k := range 3 {
		puts[fmt.Sprintf("row-%02d-%d", i, k)] = bytes.Repeat([]byte{byte(i)}, 5000)
	}
	if i > 3 {
		drops = [][]byte{fmt.Appendf(nil, "row-%02d-", i-3)}
	}
	return puts, drops
}

// TestJournalSurvivesEveryCrashPoint cuts the power at every file operation, with a restart in between: the journal
// holds whole writes only, and all acknowledged ones.
func TestJournalSurvivesEveryCrashPoint(t *testing.T) {
	const writes = 8
	for n := 1; ; n++ {
		fs := crashfs.New(uint64(n))
		fs.LoseAt(n)
		acked := 0
		for life := range 2 {
			j, err := openJournal(fs)
			if err != nil {
				t.Fatal(err)
			}
			for i := life*writes/2 + 1; i <= (life+1)*writes/2; i++ {
				if err := j.Write(journalWrite(i)); err != nil {
					t.Fatal(err)
				}
				if !fs.Crashed() {
					acked = i
				}
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for _, mode := range []crashfs.Mode{crashfs.Strict, crashfs.Partial, crashfs.Partial} {
			checkJournal(t, fs.Crash(mode), n, acked, writes)
		}
		if t.Failed() || !fs.Crashed() {
			t.Logf("%d crash points", n-1)
			return
		}
	}
}

func checkJournal(t *testing.T, fs *crashfs.FS, n, acked, writes int) {
	t.Helper()
	j, err := openJournal(fs)
	if err != nil {
		t.Fatalf("operation %d: reopen: %v", n, err)
	}
	defer j.Close()
	got := rows(t, j)
	for i := acked; i <= writes; i++ {
		if maps.Equal(got, journalState(i)) {
			return
		}
	}
	t.Errorf("operation %d: %d rows, of no state after write %d", n, len(got), acked)
}

// TestJournalAcknowledgesNothingOnADeadDisk fails every operation from each one on.
func TestJournalAcknowledgesNothingOnADeadDisk(t *testing.T) {
	for n := 1; ; n++ {
		fs := crashfs.New(uint64(n))
		j, err := openJournal(fs)
		if err != nil {
			t.Fatal(err)
		}
		fs.FailAt(fs.Ops() + n)
		acked := 0
		for acked < 3 && survive(func() error { return j.Write(journalWrite(acked + 1)) }) == nil {
			acked++
		}
		_ = j.Close() // a dead disk may say so here or not
		checkJournal(t, fs.Crash(crashfs.Partial), n, acked, acked+1)
		if t.Failed() || acked == 3 {
			return
		}
	}
}
