package segment_test

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/vfs"
	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/node/store/segment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const dir = "home/batches"

// small makes a segment hold a few test records.
var small = segment.Options{MaxSegment: 2500, Genuine: genuine}

func genuine(digest remora.Hash, payload []byte) bool { return remora.SumBLAKE3(payload) == digest }

var made sync.Map // of segment.Record by number: their digests take most of the time of these tests

// record returns test record i, of 300 to 700 bytes.
func record(i int) segment.Record {
	if r, ok := made.Load(i); ok {
		return r.(segment.Record)
	}
	r := newRecord(i)
	made.Store(i, r)
	return r
}

func newRecord(i int) segment.Record {
	payload := make([]byte, 300+i*97%400)
	binary.LittleEndian.PutUint64(payload, uint64(i))
	for j := 8; j < len(payload); j++ {
		payload[j] = byte(i*j + j>>8)
	}
	return segment.Record{
		Digest: remora.SumBLAKE3(payload), Author: uint16(i), Worker: uint16(i + 1), Epoch: uint64(i) << 40,
		Seq: uint64(i) << 41, Weight: uint64(i) << 42, Count: uint32(i), Size: uint32(len(payload)), Payload: payload,
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, fs vfs.FS) (*segment.Log, []segment.Damage) {
	t.Helper()
	l, damage, err := segment.Open(fs, dir, small)
	must(t, err)
	return l, damage
}

// filled returns a file system with a closed log of the records 0 to n-1, and their places.
func filled(t testing.TB, n int) (*crashfs.FS, []segment.Location) {
	t.Helper()
	fs := crashfs.New(1)
	must(t, prepare(fs))
	l, _ := open(t, fs)
	locs := make([]segment.Location, n)
	for i := range n {
		var err error
		locs[i], err = l.Append(record(i))
		must(t, err)
	}
	must(t, l.Close())
	return fs, locs
}

// flip inverts bits of one byte of a file.
func flip(t testing.TB, fs vfs.FS, name string, off int64, mask byte) {
	t.Helper()
	f, err := fs.OpenReadWrite(name)
	must(t, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], off)
	must(t, err)
	b[0] ^= mask
	_, err = f.WriteAt(b[:], off)
	must(t, err)
	must(t, f.Close())
}

// put makes a file of these bytes.
func put(t testing.TB, fs vfs.FS, name string, content []byte) {
	t.Helper()
	must(t, fs.MkdirAll(fs.PathDir(name), 0o755))
	f, err := fs.Create(name)
	must(t, err)
	_, err = f.Write(content)
	must(t, err)
	must(t, f.Close())
}

func content(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	must(t, err)
	st, err := f.Stat()
	must(t, err)
	b := make([]byte, st.Size())
	if len(b) > 0 {
		_, err = f.ReadAt(b, 0)
		must(t, err)
	}
	must(t, f.Close())
	return b
}
