package segment

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
)

var (
	// ErrNotFound says that the log holds no record with that digest or at that place.
	ErrNotFound = errors.New("segment: no such record")
	// ErrCorrupt says that the stored bytes are not those that were appended. Fetch the record again and append it.
	ErrCorrupt = errors.New("segment: record is damaged on disk; fetch it again")
	// ErrTooLarge says that a payload exceeds Options.MaxRecord.
	ErrTooLarge = errors.New("segment: record exceeds the configured maximum")
	// ErrClosed says that the log was closed.
	ErrClosed = errors.New("segment: log is closed")
	// ErrFailed says that an earlier write or sync failed, so that the content of the disk is unknown. The log takes no
	// more records until the process has restarted and opened it again.
	ErrFailed = errors.New("segment: log stopped after a disk failure; restart to recover")
)

// Damage is a range of a segment that holds no intact record.
type Damage struct {
	File    string
	Segment uint32
	Offset  int64
	Length  int64
	Digest  remora.Hash // of the record lost there; zero when its header is unreadable
	Torn    bool        // the tail of the last segment, cut off by Open; unless a disk lies about a sync, it was never durable
}

// String describes the damage for a log line.
func (d Damage) String() string {
	what := "damaged record"
	if d.Torn {
		what = "torn tail cut off"
	}
	name := "with unreadable header"
	if !d.Digest.IsZero() {
		name = d.Digest.String()
	}
	return fmt.Sprintf("%s: %s %s at offset %d, %d bytes", d.File, what, name, d.Offset, d.Length)
}
