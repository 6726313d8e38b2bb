package content

import (
	"errors"
	"io"

	"github.com/remora-network/remora"
)

// Piece is a verified piece; the last one of a content may be shorter than PieceSize.
type Piece struct {
	Offset uint64
	Data   []byte // valid until the decoder is used again
}

// Decoder reads a verified stream and releases bytes only after it has verified them against the root. It reads at most
// one byte beyond the stream's last piece, to check that the stream ends there. Its memory is one piece and the path to
// it.
type Decoder struct {
	src    io.Reader
	walk   walk
	want   Range // that Read releases
	pairs  io.WriterAt
	buf    []byte
	unread []byte
	err    error
}

// NewDecoder returns a decoder of the stream of a range. The root and length of the content must come from a trusted
// source: a range without the last piece does not prove the length.
func NewDecoder(src io.Reader, root remora.Hash, length uint64, rng Range) (*Decoder, error) {
	w, err := newWalk(root, length, rng)
	if err != nil {
		return nil, err
	}
	return &Decoder{src: src, walk: w, want: rng, buf: make([]byte, maxGroup)}, nil
}

// KeepPairs makes the decoder write each verified pair of chaining values to its place in an outboard before it releases
// a piece below it.
func (d *Decoder) KeepPairs(outboard io.WriterAt) { d.pairs = outboard }

// Next returns the next verified piece, complete even if the range covers only a part of it. After the last one it returns
// io.EOF, or ErrTrailing if the stream has more bytes. It returns io.ErrUnexpectedEOF if the stream ends early.
func (d *Decoder) Next() (Piece, error) {
	if d.err != nil {
		return Piece{}, d.err
	}
	if d.walk.isDone() {
		d.err = d.readEnd()
		return Piece{}, d.err
	}
	p, err := d.readGroup()
	d.err = err
	return p, err
}

func (d *Decoder) readGroup() (Piece, error) {
	pairs, size := d.walk.groupShape()
	group := d.buf[:pairs*PairSize+size]
	if _, err := io.ReadFull(d.src, group); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Piece{}, err
	}
	for range pairs {
		pair := (*[PairSize]byte)(group)
		place := d.walk.nextNode().pairOffset()
		if err := d.walk.visitPair(pair); err != nil {
			return Piece{}, err
		}
		if d.pairs != nil {
			if _, err := d.pairs.WriteAt(pair[:], place); err != nil {
				return Piece{}, err
			}
		}
		group = group[PairSize:]
	}
	offset := d.walk.nextNode().start
	if err := d.walk.visitPiece(group); err != nil {
		return Piece{}, err
	}
	return Piece{offset, group}, nil
}

// readEnd returns io.EOF at the end of the source, else ErrTrailing.
func (d *Decoder) readEnd() error {
	_, err := io.ReadFull(d.src, d.buf[:1])
	if err == nil {
		return ErrTrailing
	}
	return err
}

// Read reads the verified bytes of the range.
func (d *Decoder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(d.unread) == 0 {
		piece, err := d.Next()
		if err != nil {
			return 0, err
		}
		d.unread = d.want.clipPiece(piece)
	}
	n := copy(p, d.unread)
	d.unread = d.unread[n:]
	return n, nil
}

// WriteTo writes the verified bytes of the range to w, one piece at a time.
func (d *Decoder) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if len(d.unread) > 0 {
			n, err := w.Write(d.unread)
			total += int64(n)
			d.unread = d.unread[n:]
			if err != nil {
				return total, err
			}
		}
		piece, err := d.Next()
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		d.unread = d.want.clipPiece(piece)
	}
}

// clipPiece returns the bytes of a piece that lie in the range.
func (r Range) clipPiece(p Piece) []byte {
	data := p.Data[:min(uint64(len(p.Data)), r.End()-p.Offset)]
	if r.Offset > p.Offset {
		data = data[r.Offset-p.Offset:]
	}
	return data
}
