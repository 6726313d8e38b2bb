package store

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// ErrBusy says that somebody else receives the same object.
var ErrBusy = errors.New("content is being received already")

// Partial is an object under way: its first Have bytes are here, whole pieces. It belongs to one goroutine.
type Partial struct {
	store      *Store
	want       remora.Content
	data, tree disk
	have       uint64
}

// Receive starts or resumes to receive an object from verified streams. What an earlier run left is verified first.
func (s *Store) Receive(want remora.Content) (*Partial, error) {
	s.mu.Lock()
	busy := s.incoming[want.Root]
	s.incoming[want.Root] = true
	s.mu.Unlock()
	if busy {
		return nil, ErrBusy
	}
	return s.resume(want)
}

func (s *Store) resume(want remora.Content) (*Partial, error) {
	left := s.takeLeft(want.Root)
	if err := s.reserve(want.Length); err != nil {
		s.leave(want.Root, left)
		return nil, err
	}
	p := &Partial{store: s, want: want, have: left}
	err := p.open()
	if err == nil {
		err = p.verify()
	}
	if err != nil {
		return nil, errors.Join(diskError(err), p.Leave())
	}
	return p, nil
}

func (p *Partial) open() (err error) {
	if p.data, err = p.store.openPartial(p.want.Root, dataSuffix); err != nil {
		return err
	}
	p.tree, err = p.store.openPartial(p.want.Root, treeSuffix)
	return err
}

func (s *Store) openPartial(root remora.Hash, suffix string) (disk, error) {
	f, err := os.OpenFile(s.partialPath(root, suffix), os.O_CREATE|os.O_RDWR, 0o600)
	return disk{f, s.opts.Fault}, err
}

// verify finds out how much of what is on disk holds.
func (p *Partial) verify() error {
	info, err := p.data.Stat()
	if err != nil {
		return err
	}
	have := min(uint64(info.Size()), p.want.Length)
	if have < p.want.Length {
		have -= have % content.PieceSize
	}
	if have == 0 {
		return p.data.Truncate(0)
	}
	e, err := content.NewEncoder(p.data, p.tree, p.want.Root, p.want.Length, content.Range{Length: have})
	if err == nil {
		_, err = e.WriteTo(io.Discard)
	}
	var bad *content.Mismatch
	switch {
	case errors.As(err, &bad):
		have = bad.Offset // a crash lost this; what precedes it was verified
	case err != nil:
		return err
	}
	p.have = have
	return p.data.Truncate(int64(have))
}

// Have returns how many bytes are here, from the beginning on.
func (p *Partial) Have() uint64 { return p.have }

// Take reads the verified stream of the given number of bytes that follow Have. Pieces that verified before the stream
// failed are kept.
func (p *Partial) Take(stream io.Reader, bytes uint64) error {
	d, err := content.NewDecoder(stream, p.want.Root, p.want.Length, content.Range{Offset: p.have, Length: bytes})
	if err != nil {
		return err
	}
	d.KeepPairs(p.tree)
	for {
		piece, err := d.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return diskError(err)
		}
		if _, err := p.data.WriteAt(piece.Data, int64(piece.Offset)); err != nil {
			return diskError(err)
		}
		p.have = piece.Offset + uint64(len(piece.Data))
	}
}

// Commit makes the whole object part of the store and durable.
func (p *Partial) Commit() error {
	if p.have != p.want.Length {
		return fmt.Errorf("%w: %d of %d bytes are here", remora.ErrInvalid, p.have, p.want.Length)
	}
	err := p.tree.Truncate(int64(content.OutboardSize(p.want.Length)))
	if err == nil {
		err = p.store.adopt(p.want, p.data, p.tree)
	}
	if err != nil {
		return errors.Join(diskError(err), p.Leave())
	}
	p.store.arrived(p.want.Root)
	return p.close()
}

// Leave stops receiving and keeps what is here for the next time, as long as nobody needs the room.
func (p *Partial) Leave() error {
	p.store.release(p.want.Length)
	err := p.close()
	p.store.leave(p.want.Root, p.have)
	return err
}

func (p *Partial) close() error {
	var err error
	for _, f := range []disk{p.data, p.tree} {
		if f.File != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
