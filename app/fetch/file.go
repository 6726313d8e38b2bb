package fetch

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/remora-network/remora/proofs/content"
)

// part is a file under way: its body is in OUT.part, the tree above that in OUT.part.tree.
type part struct {
	body
	out        string
	file, over *os.File
}

func (p *part) open() (err error) {
	if p.file, err = os.OpenFile(p.out+".part", os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return err
	}
	if p.over, err = os.OpenFile(p.out+".part.tree", os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	p.data, p.tree = p.file, p.over
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	have := min(uint64(info.Size()), p.content.Length)
	have -= have % content.PieceSize
	if have > 0 {
		e, err := content.NewEncoder(p.file, p.over, p.content.Root, p.content.Length, content.Range{Length: have})
		if err == nil {
			_, err = e.WriteTo(io.Discard)
		}
		if err != nil {
			have = 0 // of another content, or damaged: begin anew
		}
	}
	p.have = have
	return p.file.Truncate(int64(have))
}

// finish makes the file durable under its name.
func (p *part) finish() error {
	if err := errors.Join(p.file.Sync(), p.close()); err != nil {
		return err
	}
	if err := os.Rename(p.out+".part", p.out); err != nil {
		return err
	}
	if err := os.Remove(p.out + ".part.tree"); err != nil {
		return err
	}
	return syncDir(filepath.Dir(p.out))
}

func (p *part) close() error {
	var err error
	for _, f := range []*os.File{p.file, p.over} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
