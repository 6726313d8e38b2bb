package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/node/store/segment"
)

const headerSize = 80

func fileOf(loc segment.Location) string { return fmt.Sprintf("%s/%08d.seg", dir, loc.Segment) }

// TestTruncatedAtEveryByte cuts the last segment at each length: whole records stay, the rest is reported and cut off.
func TestTruncatedAtEveryByte(t *testing.T) {
	fs, locs := filled(t, 3)
	whole := content(t, fs, fileOf(locs[0]))
	for cut := range whole {
		fs := crashfs.New(1)
		put(t, fs, fileOf(locs[0]), whole[:cut])
		l, damage := open(t, fs)
		kept, end := 0, 0
		for kept < 3 && int(locs[kept].Offset)+headerSize+int(locs[kept].Length) <= cut {
			end = int(locs[kept].Offset) + headerSize + int(locs[kept].Length)
			kept++
		}
		expect(t, l, 3, func(i int) bool { return i < kept })
		switch {
		case cut == end && len(damage) > 0:
			t.Fatalf("cut at a boundary: %v", damage)
		case cut > end && (len(damage) != 1 || !damage[0].Torn || damage[0].Offset != int64(end) || damage[0].Length != int64(cut-end)):
			t.Fatalf("cut at %d: %v", cut, damage)
		case cut >= end+headerSize && damage[0].Digest != record(kept).Digest:
			t.Fatalf("cut at %d: the torn record's digest is not named", cut)
		}
		must(t, l.Close())
		if got := len(content(t, fs, fileOf(locs[0]))); got != end {
			t.Fatalf("cut at %d: %d bytes left, want %d", cut, got, end)
		}
	}
}

// TestEveryByteFlipped damages each byte of a log of three segments in turn. No flip goes unnoticed, none loses another
// record, and the lost one can be appended again.
func TestEveryByteFlipped(t *testing.T) {
	const n = 9
	fs, locs := filled(t, n)
	for i, loc := range locs {
		last := i == n-1
		for b := range headerSize + int64(loc.Length) {
			fs := fs.Crash(crashfs.Strict)
			flip(t, fs, fileOf(loc), int64(loc.Offset)+b, 1<<(b%8))
			l, damage := open(t, fs)
			found, err := l.Verify()
			must(t, err)
			damage = append(damage, found...)
			want := segment.Damage{File: fileOf(loc), Segment: loc.Segment, Offset: int64(loc.Offset), Length: headerSize + int64(loc.Length), Torn: last}
			if b >= headerSize {
				want.Digest = record(i).Digest
			}
			if len(damage) == 0 || damage[0] != want {
				t.Fatalf("record %d byte %d: got %v, want %v", i, b, damage, want)
			}
			expect(t, l, n, func(j int) bool { return i != j })
			_, err = l.Append(record(i))
			must(t, err)
			expect(t, l, n, all)
			must(t, l.Close())
		}
	}
}

// TestGetForgetsDamage damages a payload in a sealed segment, which Open does not read.
func TestGetForgetsDamage(t *testing.T) {
	const n = 9
	fs, locs := filled(t, n)
	flip(t, fs, fileOf(locs[1]), int64(locs[1].Offset)+headerSize+5, 0x10)
	l, damage := open(t, fs)
	if len(damage) > 0 {
		t.Fatalf("open read a sealed payload: %v", damage)
	}
	digest := record(1).Digest
	if _, err := l.Read(locs[1]); !errors.Is(err, segment.ErrCorrupt) || !l.Has(digest) {
		t.Fatalf("read: %v", err)
	}
	if _, err := l.Get(digest); !errors.Is(err, segment.ErrCorrupt) || l.Has(digest) {
		t.Fatalf("get: %v", err)
	}
	if _, err := l.Get(digest); !errors.Is(err, segment.ErrNotFound) {
		t.Fatalf("second get: %v", err)
	}
	loc, err := l.Append(record(1))
	must(t, err)
	must(t, l.Close())
	l, _ = open(t, fs)
	expect(t, l, n, all) // the later copy wins
	if got, err := l.Read(loc); err != nil || !bytes.Equal(got, record(1).Payload) {
		t.Fatalf("the new copy: %v", err)
	}
	must(t, l.Close())
}

// TestSealedSegmentCutShort loses the end of a segment that is not the last.
func TestSealedSegmentCutShort(t *testing.T) {
	const n = 9
	fs, locs := filled(t, n)
	lost := 0
	for locs[lost+1].Segment == locs[0].Segment {
		lost++
	}
	whole := content(t, fs, fileOf(locs[0]))
	put(t, fs, fileOf(locs[0]), whole[:len(whole)-1])
	l, damage := open(t, fs)
	if len(damage) != 1 || damage[0].Torn || damage[0].Digest != record(lost).Digest {
		t.Fatal(damage)
	}
	if s := damage[0].String(); !strings.Contains(s, "damaged record "+record(lost).Digest.String()) {
		t.Error(s)
	}
	expect(t, l, n, func(i int) bool { return i != lost })
	must(t, l.Close())
}

// TestRecordInsidePayload stores a payload with a copy of a segment, made for the very place where the payload will be,
// and damages the header before it. The search for the next record must not find the one inside.
func TestRecordInsidePayload(t *testing.T) {
	inner, forged := record(5), record(6)
	forged.Digest = remora.Hash{0xee} // not the digest of its payload
	for what, genuine := range map[string]func(remora.Hash, []byte) bool{"checked": genuine, "unchecked": nil} {
		fs := crashfs.New(1)
		o := segment.Options{Genuine: genuine}
		l, _, err := segment.Open(fs, dir, o)
		must(t, err)
		_, err = l.Append(segment.Record{Digest: remora.Hash{1}, Payload: make([]byte, len(inner.Payload))})
		must(t, err)
		_, err = l.Append(forged)
		must(t, err)
		must(t, l.Close())
		name := fs.PathJoin(dir, "00000001.seg")
		image := content(t, fs, name)
		// The second record begins at the same offset in the payload of the outer record as in the first file.
		payload := image[headerSize:]
		must(t, fs.RemoveAll(dir))
		l, _, err = segment.Open(fs, dir, o)
		must(t, err)
		outer := segment.Record{Digest: remora.SumBLAKE3(payload), Payload: payload}
		_, err = l.Append(outer)
		must(t, err)
		_, err = l.Append(inner)
		must(t, err)
		must(t, l.Close())
		flip(t, fs, name, 0, 1)
		l, damage, err := segment.Open(fs, dir, o)
		must(t, err)
		if !l.Has(inner.Digest) || len(damage) == 0 {
			t.Errorf("%s: the record behind was lost: %v", what, damage)
		}
		if l.Has(forged.Digest) != (genuine == nil) {
			t.Errorf("%s: Has(forged) is %v", what, l.Has(forged.Digest))
		}
		must(t, l.Close())
	}
}

// TestRecordMovedElsewhere copies an intact record to another place, where it must not count as one.
func TestRecordMovedElsewhere(t *testing.T) {
	fs, locs := filled(t, 1)
	b := content(t, fs, fileOf(locs[0]))
	put(t, fs, dir+"/00000001.seg", append([]byte{0}, b...))
	put(t, fs, dir+"/00000002.seg", b)
	l, damage := open(t, fs)
	if l.Len() != 0 || len(damage) != 2 || damage[0].Torn || !damage[1].Torn {
		t.Fatalf("%d records, damage %v", l.Len(), damage)
	}
	must(t, l.Close())
}

// TestSearchMissesNoPlace puts the record behind a damaged header at every place relative to the scanner's window.
func TestSearchMissesNoPlace(t *testing.T) {
	for size := 4000; size < 4200; size++ {
		fs := crashfs.New(1)
		o := segment.Options{Genuine: genuine}
		l, _, err := segment.Open(fs, dir, o)
		must(t, err)
		_, err = l.Append(segment.Record{Digest: remora.Hash{1}, Payload: make([]byte, size)})
		must(t, err)
		_, err = l.Append(record(1))
		must(t, err)
		must(t, l.Close())
		flip(t, fs, dir+"/00000001.seg", 0, 1)
		l, damage, err := segment.Open(fs, dir, o)
		must(t, err)
		if !l.Has(record(1).Digest) || len(damage) != 1 || damage[0].Length != int64(headerSize+size) {
			t.Fatalf("size %d: %v", size, damage)
		}
		must(t, l.Close())
	}
}

// TestForeignFiles puts other files into the directory, which Open has to tolerate.
func TestForeignFiles(t *testing.T) {
	fs, locs := filled(t, 9)
	for _, name := range []string{"notes.txt", "1.seg", "000000001.seg", "99999999999.seg", "-0000001.seg", "0000000a.seg"} {
		put(t, fs, fs.PathJoin(dir, name), []byte("foreign"))
	}
	put(t, fs, fileOf(locs[0])+".tmp", []byte("left by a crash"))
	l, damage := open(t, fs)
	if len(damage) > 0 {
		t.Fatal(damage)
	}
	expect(t, l, 9, all)
	must(t, l.Close())
	if _, err := fs.Stat(fileOf(locs[0]) + ".tmp"); err == nil {
		t.Error("the leftover was not removed")
	}
	if _, err := fs.Stat(fs.PathJoin(dir, "notes.txt")); err != nil {
		t.Error("a foreign file was removed")
	}
}

// FuzzOpen opens arbitrary bytes as a sealed and as a last segment. Every record served must carry its own checksum,
// Open must not fail, and the log must accept records afterwards.
func FuzzOpen(f *testing.F) {
	fs, locs := filled(f, 3)
	whole := content(f, fs, fileOf(locs[0]))
	f.Add([]byte{})
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(whole[1:])
	f.Add(append(bytes.Clone(whole[:100]), whole...))
	f.Add(bytes.Repeat([]byte("SEG1"), 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		fs := crashfs.New(1)
		put(t, fs, dir+"/00000001.seg", b)
		put(t, fs, dir+"/00000002.seg", b)
		l, _ := open(t, fs)
		covered := int64(0)
		damage, err := l.Scan(segment.Location{}, func(loc segment.Location, r segment.Record) error {
			covered += headerSize + int64(loc.Length)
			_, err := l.Read(loc)
			return err
		})
		must(t, err)
		for _, d := range damage {
			covered += d.Length
		}
		if left := len(content(t, fs, dir+"/00000001.seg")) + len(content(t, fs, dir+"/00000002.seg")); covered != int64(left) {
			t.Fatalf("%d bytes are records or reported damage, the files have %d", covered, left)
		}
		_, err = l.Verify()
		must(t, err)
		n := l.Len()
		if _, err := l.Append(record(77)); err != nil || l.Len() != n+1 {
			t.Fatalf("append: %v", err)
		}
		must(t, l.Close())
		l, damage = open(t, fs)
		for _, d := range damage {
			if d.Torn {
				t.Fatalf("torn after an orderly close: %v", d)
			}
		}
		if _, err := l.Get(record(77).Digest); err != nil {
			t.Fatal(err)
		}
		must(t, l.Close())
	})
}
