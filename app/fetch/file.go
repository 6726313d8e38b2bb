package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// part is a file under way: its first have bytes are verified and in OUT.part, the tree above them in OUT.part.tree.
type part struct {
	root       remora.Hash
	length     uint64
	out        string
	data, tree *os.File
	have       uint64
}

// file fetches one file.
func (c *client) file(ctx context.Context, root remora.Hash, out string) error {
	length, err := c.length(ctx, root, false)
	if err != nil {
		return err
	}
	p := &part{root: root, length: length, out: out}
	if err := p.open(); err != nil {
		return errors.Join(err, p.close())
	}
	if err := c.fill(ctx, p); err != nil {
		return errors.Join(err, p.close())
	}
	c.bytes += length
	return p.finish()
}

func (p *part) open() (err error) {
	if p.data, err = os.OpenFile(p.out+".part", os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return err
	}
	if p.tree, err = os.OpenFile(p.out+".part.tree", os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	info, err := p.data.Stat()
	if err != nil {
		return err
	}
	have := min(uint64(info.Size()), p.length)
	have -= have % content.PieceSize
	if have > 0 {
		e, err := content.NewEncoder(p.data, p.tree, p.root, p.length, content.Range{Length: have})
		if err == nil {
			_, err = e.WriteTo(io.Discard)
		}
		if err != nil {
			have = 0 // of another content, or damaged: begin anew
		}
	}
	p.have = have
	return p.data.Truncate(int64(have))
}

type arrival struct {
	r      content.Range
	stream []byte
	err    error
}

// fill brings what is missing: several segments are under way, each is verified and written in its turn.
func (c *client) fill(ctx context.Context, p *part) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var queue []chan arrival
	next := p.have
	if p.length == 0 {
		return p.empty()
	}
	for p.have < p.length {
		for len(queue) < ahead && next < p.length {
			r := content.Range{Offset: next, Length: min(transfer.MaxRange-next%transfer.MaxRange, p.length-next)}
			next = r.End()
			arrived := make(chan arrival, 1) // nobody waits for it after a failure
			queue = append(queue, arrived)
			go func() {
				stream, err := c.segment(ctx, p.root, false, r)
				arrived <- arrival{r, stream, err}
			}()
		}
		got := <-queue[0]
		queue = queue[1:]
		if got.err != nil {
			return got.err
		}
		if err := p.take(got); err != nil {
			return err
		}
		c.options.Progress(p.have, p.length)
	}
	return nil
}

// empty checks that a content that is said to be empty has the root of no bytes.
func (p *part) empty() error {
	root, _, err := content.Root(bytes.NewReader(nil))
	if err == nil && root != p.root {
		return fmt.Errorf("%w: it says that there are none", ErrUnverified)
	}
	return err
}

func (p *part) take(a arrival) error {
	d, err := content.NewDecoder(bytes.NewReader(a.stream), p.root, p.length, a.r)
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
			return fmt.Errorf("%w: after %d verified bytes: %w", ErrUnverified, p.have, err)
		}
		if _, err := p.data.WriteAt(piece.Data, int64(piece.Offset)); err != nil {
			return err
		}
		p.have = piece.Offset + uint64(len(piece.Data))
	}
}

// finish makes the file durable under its name.
func (p *part) finish() error {
	if err := errors.Join(p.data.Sync(), p.close()); err != nil {
		return err
	}
	if err := os.Rename(p.out+".part", p.out); err != nil {
		return err
	}
	if err := os.Remove(p.out + ".part.tree"); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(p.out))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (p *part) close() error {
	var err error
	for _, f := range []*os.File{p.data, p.tree} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
