package content

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"testing"
	"testing/iotest"

	"github.com/remora-network/remora"
)

// encode returns the verified stream of a range.
func encode(t testing.TB, data []byte, rng Range) []byte {
	t.Helper()
	root, outboard := build(t, data)
	e, err := NewEncoder(bytes.NewReader(data), bytes.NewReader(outboard), root, uint64(len(data)), rng)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := io.ReadAll(e)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// decode returns the bytes that a decoder releases, and how it ended.
func decode(t testing.TB, stream []byte, root remora.Hash, length uint64, rng Range) ([]byte, error) {
	t.Helper()
	d, err := NewDecoder(bytes.NewReader(stream), root, length, rng)
	if err != nil {
		t.Fatal(err)
	}
	return io.ReadAll(d)
}

// ranges returns the whole content, its borders and some random parts.
func ranges(rng *rand.Rand, size int) []Range {
	list := []Range{Whole(uint64(size))}
	if size == 0 {
		return list
	}
	last := uint64(size - 1)
	list = append(list, Range{0, 1}, Range{last, 1}, Range{last / 2, last - last/2 + 1})
	for range 4 {
		offset := uint64(rng.Intn(size))
		list = append(list, Range{offset, 1 + uint64(rng.Intn(size-int(offset)))})
	}
	return list
}

func TestStreamsMatchTheOtherImplementationAndRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	for _, size := range sizes() {
		data := sample(size)
		root := remora.SumBLAKE3(data)
		for _, r := range ranges(rng, size) {
			stream := encode(t, data, r)
			if size > 0 && !bytes.Equal(stream, slice(t, data, r)) {
				t.Fatalf("%d bytes, %+v: the stream differs from lukechampine/blake3/bao", size, r)
			}
			if want, err := StreamSize(uint64(size), r); err != nil || uint64(len(stream)) != want {
				t.Fatalf("%d bytes, %+v: stream of %d bytes, StreamSize says %d, %v", size, r, len(stream), want, err)
			}
			got, err := decode(t, stream, root, uint64(size), r)
			if err != nil || !bytes.Equal(got, data[r.Offset:r.End()]) {
				t.Fatalf("%d bytes, %+v: decoded %d bytes, %v", size, r, len(got), err)
			}
		}
	}
}

func TestReadersAndWritersAgree(t *testing.T) {
	data := sample(300<<10 + 7)
	root, outboard := build(t, data)
	r := Range{20_000, 250_000}
	stream := encode(t, data, r)

	newEncoder := func() *Encoder {
		e, err := NewEncoder(bytes.NewReader(data), bytes.NewReader(outboard), root, uint64(len(data)), r)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	var written bytes.Buffer
	if n, err := newEncoder().WriteTo(&written); err != nil || n != int64(len(stream)) || !bytes.Equal(written.Bytes(), stream) {
		t.Errorf("Encoder.WriteTo: %d bytes, %v", n, err)
	}
	if err := iotest.TestReader(newEncoder(), stream); err != nil {
		t.Errorf("Encoder: %v", err)
	}

	newDecoder := func(src io.Reader) *Decoder {
		d, err := NewDecoder(src, root, uint64(len(data)), r)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	var got bytes.Buffer
	if n, err := newDecoder(iotest.HalfReader(bytes.NewReader(stream))).WriteTo(&got); err != nil ||
		n != int64(r.Length) || !bytes.Equal(got.Bytes(), data[r.Offset:r.End()]) {
		t.Errorf("Decoder.WriteTo: %d bytes, %v", n, err)
	}
	if err := iotest.TestReader(newDecoder(iotest.OneByteReader(bytes.NewReader(stream))), data[r.Offset:r.End()]); err != nil {
		t.Errorf("Decoder: %v", err)
	}
	if _, err := newEncoder().WriteTo(&fullWriter{1}); !errors.Is(err, errFull) {
		t.Errorf("Encoder.WriteTo a full writer: %v", err)
	}
	if _, err := newDecoder(bytes.NewReader(stream)).WriteTo(&fullWriter{1}); !errors.Is(err, errFull) {
		t.Errorf("Decoder.WriteTo a full writer: %v", err)
	}
}

// TestNoStreamEndsCleanlyTooEarly cuts a stream at every length.
func TestNoStreamEndsCleanlyTooEarly(t *testing.T) {
	data := sample(3*PieceSize + 5)
	root := remora.SumBLAKE3(data)
	for _, r := range []Range{Whole(uint64(len(data))), {PieceSize, 10}, {2*PieceSize + 3, PieceSize}} {
		stream := encode(t, data, r)
		for n := range stream {
			if n%37 != 0 && n%PairSize > 1 {
				continue
			}
			got, err := decode(t, stream[:n], root, uint64(len(data)), r)
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%+v cut to %d of %d bytes: %v", r, n, len(stream), err)
			}
			if !bytes.HasPrefix(data[r.Offset:r.End()], got) {
				t.Fatalf("%+v cut to %d bytes: released other bytes than the content's", r, n)
			}
		}
	}
}

func TestTrailingBytesAreRefused(t *testing.T) {
	for _, size := range []int{0, 1, PieceSize, 2*PieceSize + 1} {
		data := sample(size)
		stream := append(encode(t, data, Whole(uint64(size))), 0)
		got, err := decode(t, stream, remora.SumBLAKE3(data), uint64(size), Whole(uint64(size)))
		if !errors.Is(err, ErrTrailing) || !bytes.Equal(got, data) {
			t.Errorf("%d bytes and one more: released %d, %v", size, len(got), err)
		}
	}
}

// TestEveryFlippedByteIsCaught flips each byte of a stream: nothing from the damaged group on is released.
func TestEveryFlippedByteIsCaught(t *testing.T) {
	data := sample(2*PieceSize + 700)
	root := remora.SumBLAKE3(data)
	whole := Whole(uint64(len(data)))
	stream := encode(t, data, whole)
	for i := range stream {
		if i%11 != 0 && i > 3*PairSize {
			continue
		}
		stream[i] ^= 1 << (i % 8)
		got, err := decode(t, stream, root, whole.Length, whole)
		stream[i] ^= 1 << (i % 8)
		var m *Mismatch
		if !errors.As(err, &m) || !errors.Is(err, ErrMismatch) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
		if uint64(len(got)) != m.Offset || !bytes.HasPrefix(data, got) {
			t.Fatalf("byte %d flipped: released %d bytes, mismatch at %d", i, len(got), m.Offset)
		}
	}
}

// TestOtherShapesAreRefused decodes streams under lengths, ranges and roots that are not theirs.
func TestOtherShapesAreRefused(t *testing.T) {
	data := sample(5*PieceSize + 9)
	root, length := remora.SumBLAKE3(data), uint64(len(data))
	stream := encode(t, data, Whole(length))
	for _, other := range []uint64{0, 1, PieceSize, length - 1, length + 1, length + PieceSize, 2 * length, MaxLength} {
		got, err := decode(t, stream, root, other, Whole(other))
		if err == nil || len(got) >= len(data) {
			t.Errorf("as %d bytes: released %d bytes, %v", other, len(got), err)
		}
	}
	part := encode(t, data, Range{PieceSize, PieceSize})
	if got, err := decode(t, part, root, length, Range{2 * PieceSize, PieceSize}); !errors.Is(err, ErrMismatch) || len(got) != 0 {
		t.Errorf("another piece's stream: released %d bytes, %v", len(got), err)
	}
	if got, err := decode(t, stream, remora.Hash{}, length, Whole(length)); !errors.Is(err, ErrMismatch) || len(got) != 0 {
		t.Errorf("another root: released %d bytes, %v", len(got), err)
	}
	if _, err := decode(t, nil, remora.Hash{1}, 0, Whole(0)); !errors.Is(err, ErrMismatch) {
		t.Errorf("an empty content under a wrong root: %v", err)
	}
}

func TestRangesOutsideAreRefused(t *testing.T) {
	const length = 40_000
	for _, r := range []Range{{0, length + 1}, {length, 1}, {length + 1, 0}, {5, 0}, {0, 0}, {1, ^uint64(0)}, {^uint64(0), 2}} {
		if err := r.Check(length); !errors.Is(err, ErrRange) {
			t.Errorf("%+v: %v", r, err)
		}
		if _, err := NewDecoder(nil, remora.Hash{}, length, r); !errors.Is(err, ErrRange) {
			t.Errorf("NewDecoder of %+v: %v", r, err)
		}
		if _, err := NewEncoder(nil, nil, remora.Hash{}, length, r); !errors.Is(err, ErrRange) {
			t.Errorf("NewEncoder of %+v: %v", r, err)
		}
		if _, err := StreamSize(length, r); !errors.Is(err, ErrRange) {
			t.Errorf("StreamSize of %+v: %v", r, err)
		}
	}
	if err := Whole(MaxLength + 1).Check(MaxLength + 1); !errors.Is(err, remora.ErrTooLarge) {
		t.Errorf("too long a content: %v", err)
	}
	if n, err := StreamSize(MaxLength, Range{MaxLength - 1, 1}); err != nil || n != 46*PairSize+PieceSize {
		t.Errorf("last byte of the longest content: stream of %d bytes, %v", n, err)
	}
}

// TestEncoderNeverSendsDamage flips bytes of content and outboard below the encoder.
func TestEncoderNeverSendsDamage(t *testing.T) {
	data := sample(300 * PieceSize) // more than one window of the outboard
	root, outboard := build(t, data)
	whole := Whole(uint64(len(data)))
	good := encode(t, data, whole)
	damaged := func(what string, b []byte, at int) {
		b[at] ^= 0x10
		defer func() { b[at] ^= 0x10 }()
		e, err := NewEncoder(bytes.NewReader(data), bytes.NewReader(outboard), root, whole.Length, whole)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(e)
		if !errors.Is(err, ErrMismatch) || !bytes.HasPrefix(good, got) || len(got) == len(good) {
			t.Errorf("%s flipped at %d: sent %d bytes, %v", what, at, len(got), err)
		}
	}
	for at := 0; at < len(data); at += 19 * PieceSize / 2 {
		damaged("content", data, at)
	}
	for at := 0; at < len(outboard); at += 331 {
		damaged("outboard", outboard, at)
	}
}

func TestEncoderReportsShortFiles(t *testing.T) {
	data := sample(5 * PieceSize)
	root, outboard := build(t, data)
	whole := Whole(uint64(len(data)))
	for _, tt := range []struct{ data, outboard []byte }{
		{data[:len(data)-1], outboard}, {data[:0], outboard}, {data, outboard[:len(outboard)-1]}, {data, nil},
	} {
		e, err := NewEncoder(bytes.NewReader(tt.data), bytes.NewReader(tt.outboard), root, whole.Length, whole)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, e); !errors.Is(err, ErrMismatch) {
			t.Errorf("content %d, outboard %d bytes: %v", len(tt.data), len(tt.outboard), err)
		}
	}
}

// sparse is an outboard in memory that is written at random.
type sparse []byte

func (s sparse) WriteAt(p []byte, offset int64) (int, error) {
	if offset+int64(len(p)) > int64(len(s)) {
		return 0, errFull
	}
	return copy(s[offset:], p), nil
}

// TestDecoderKeepsPairs receives the pieces of a content in several streams and gets its outboard.
func TestDecoderKeepsPairs(t *testing.T) {
	data := sample(11*PieceSize + 100)
	root, outboard := build(t, data)
	length := uint64(len(data))
	kept := make(sparse, len(outboard))
	received := make([]byte, len(data))
	for offset := uint64(0); offset < length; offset += 3 * PieceSize {
		r := Range{offset, min(3*PieceSize, length-offset)}
		d, err := NewDecoder(bytes.NewReader(encode(t, data, r)), root, length, r)
		if err != nil {
			t.Fatal(err)
		}
		d.KeepPairs(kept)
		for {
			p, err := d.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			copy(received[p.Offset:], p.Data)
		}
	}
	if !bytes.Equal(kept, outboard) || !bytes.Equal(received, data) {
		t.Error("streams of all ranges did not give content and outboard")
	}
	d, err := NewDecoder(bytes.NewReader(encode(t, data, Whole(length))), root, length, Whole(length))
	if err != nil {
		t.Fatal(err)
	}
	d.KeepPairs(sparse{})
	if p, err := d.Next(); !errors.Is(err, errFull) {
		t.Errorf("an outboard that cannot be written: piece at %d, %v", p.Offset, err)
	}
}

func FuzzDecoder(f *testing.F) {
	data := sample(5*PieceSize + 77)
	root, length := remora.SumBLAKE3(data), uint64(len(data))
	f.Add(encode(f, data, Whole(length)), uint64(0), length)
	f.Add(encode(f, data, Range{PieceSize, 5}), uint64(PieceSize), uint64(5))
	f.Add([]byte{}, uint64(1), ^uint64(0))
	f.Fuzz(func(t *testing.T, stream []byte, offset, size uint64) {
		r := Range{offset, size}
		d, err := NewDecoder(bytes.NewReader(stream), root, length, r)
		if err != nil {
			return
		}
		got, err := io.ReadAll(d)
		if !bytes.HasPrefix(data[r.Offset:r.End()], got) {
			t.Fatal("released bytes that are not the content's")
		}
		if err == nil && uint64(len(got)) != r.Length {
			t.Fatalf("a clean end after %d of %d bytes", len(got), r.Length)
		}
	})
}
