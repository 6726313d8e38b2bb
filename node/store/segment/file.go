package segment

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/vfs"
)

const (
	suffix     = ".seg"
	tempSuffix = ".tmp" // of a segment that is rewritten without its torn tail
)

// segment is one open file of the log.
type segment struct {
	number uint32
	name   string
	file   vfs.File
	size   int64 // of its complete records; written under Log.mu
	dirty  bool  // appended to since the last sync; guarded by Log.writer

	readers sync.RWMutex // held for reading while the file is read
	retired bool
}

// retireFile closes the file once all its readers have finished.
func (s *segment) retireFile() error {
	s.readers.Lock()
	defer s.readers.Unlock()
	s.retired = true
	return s.file.Close()
}

func (l *Log) segmentPath(number uint32) string {
	return l.fs.PathJoin(l.dir, fmt.Sprintf("%08d%s", number, suffix))
}

// parseNumber returns the number in a segment's file name.
func parseNumber(name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) < 8 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil && fmt.Sprintf("%08d", n) == digits
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open directory %s to sync it: %w", dir, err)
	}
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w (and close: %v)", dir, err, d.Close())
	}
	return d.Close()
}
