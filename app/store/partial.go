package store

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// ErrBusy says that the object is being received by another goroutine.
var ErrBusy = errors.New("content is being received already")

// Partial is an object that is being received: its first Have bytes, in whole pieces, are stored. One goroutine owns
// it.
type Partial struct {
	store      *Store
	want       remora.Content
	data, tree disk
	have       uint64
}

// Receive begins or resumes receiving an object from verified streams. Bytes stored by an earlier run are verified
// first. The caller ends it with Commit or Leave.
func (s *Store) Receive(want remora.Content) (*Partial, error) {
	s.mu.Lock()
	busy := s.incoming[want.Root]
	s.incoming[want.Root] = true
	s.mu.Unlock()
	if busy {
		return nil, ErrBusy
	}
	return s.resumePartial(want)
}

func (s *Store) resumePartial(want remora.Content) (*Partial, error) {
	left := s.takePartial(want.Root)
	if err := s.reserveBytes(want.Length); err != nil {
		s.keepPartial(want.Root, left)
		return nil, err
	}
	p := &Partial{store: s, want: want, have: left}
	err := p.openFiles()
	if err == nil {
		err = p.verifyKept()
	}
	if err != nil {
		return nil, errors.Join(diskError(err), p.Leave())
	}
	return p, nil
}

func (p *Partial) openFiles() (err error) {
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

// verifyKept determines the number of stored bytes that are intact.
func (p *Partial) verifyKept() error {
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
		have = bad.Offset // lost in a crash; the bytes before it are verified
	case err != nil:
		return err
	}
	p.have = have
	return p.data.Truncate(int64(have))
}

// Have returns the number of stored bytes, from the beginning on.
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

// Commit makes the complete object part of the store and durable.
func (p *Partial) Commit() error {
	if p.have != p.want.Length {
		return fmt.Errorf("%w: only %d of %d bytes were received", remora.ErrInvalid, p.have, p.want.Length)
	}
	err := p.tree.Truncate(int64(content.OutboardSize(p.want.Length)))
	if err == nil {
		err = p.store.adoptObject(p.want, p.data, p.tree)
	}
	if err != nil {
		return errors.Join(diskError(err), p.Leave())
	}
	p.store.endIncoming(p.want.Root)
	return p.closeFiles()
}

// Leave stops receiving. The received bytes are kept for the next Receive until their space is needed.
func (p *Partial) Leave() error {
	p.store.releaseBytes(p.want.Length)
	err := p.closeFiles()
	p.store.keepPartial(p.want.Root, p.have)
	return err
}

func (p *Partial) closeFiles() error {
	var err error
	for _, f := range []disk{p.data, p.tree} {
		if f.File != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
