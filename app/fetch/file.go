package fetch

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/remora-network/remora/app/durable"
	"github.com/remora-network/remora/proofs/content"
)

// part is a file being fetched: its bytes are in OUT.part, their tree in OUT.part.tree.
type part struct {
	body
	out        string
	file, over *os.File
}

// earlyStep is the number of bytes after which their writeback is started.
const earlyStep = 8 << 20

// early is a file whose bytes the disk begins to write while more are fetched, so that the sync at the end is short.
type early struct {
	file *os.File
	from int64 // offset up to which writeback was started
}

// WriteAt implements io.WriterAt for writes in order.
func (e *early) WriteAt(p []byte, offset int64) (int, error) {
	n, err := e.file.WriteAt(p, offset)
	if to := offset + int64(n); to-e.from >= earlyStep {
		const start = 2 // SYNC_FILE_RANGE_WRITE of sync_file_range(2): a hint, whose failure Sync will report
		_ = syscall.SyncFileRange(int(e.file.Fd()), e.from, to-e.from, start)
		e.from = to
	}
	return n, err
}

func (p *part) openFiles() (err error) {
	if p.file, err = os.OpenFile(p.out+".part", os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return err
	}
	if p.over, err = os.OpenFile(p.out+".part.tree", os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	p.tree = p.over
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
			have = 0 // of another content, or damaged: start again
		}
	}
	p.have, p.data = have, &early{file: p.file, from: int64(have)}
	return p.file.Truncate(int64(have))
}

// finishFile makes the file durable under its name.
func (p *part) finishFile() error {
	if err := errors.Join(p.file.Sync(), p.closeFiles()); err != nil {
		return err
	}
	if err := os.Rename(p.out+".part", p.out); err != nil {
		return err
	}
	if err := os.Remove(p.out + ".part.tree"); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(p.out))
}

func (p *part) closeFiles() error {
	var err error
	for _, f := range []*os.File{p.file, p.over} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
