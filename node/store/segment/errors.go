package segment

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
)

var (
	// ErrNotFound says that the log holds no record of that digest or at that place.
	ErrNotFound = errors.New("segment: no such record")
	// ErrCorrupt says that the stored bytes are not the ones that were appended. Fetch the record from a peer and append it again.
	ErrCorrupt = errors.New("segment: record is damaged on disk; fetch it again")
	// ErrTooLarge says that a payload exceeds Options.MaxRecord.
	ErrTooLarge = errors.New("segment: record exceeds the configured maximum")
	// ErrClosed says that the log was closed.
	ErrClosed = errors.New("segment: log is closed")
	// ErrFailed says that an earlier write or sync failed, so that nobody knows what the disk holds. The log takes no more
	// records: end the process and open the log again.
	ErrFailed = errors.New("segment: log stopped after a disk failure; restart to recover")
)

// Damage is a range of a segment that holds no intact record.
type Damage struct {
	File    string
	Segment uint32
	Offset  int64
	Length  int64
	Digest  remora.Hash // of the record lost there; zero when its header is unreadable
	Torn    bool        // the tail of the last segment, which Open has cut off: it was never acknowledged, unless the disk lost it
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
