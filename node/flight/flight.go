// Package flight records what a validator's cores are told, so that a crash or a divergence of a running node can be
// run again: in a debugger, step by step, with the same outcome.
//
// A recording begins with the snapshot that the cores were built from. Every message and tick follows before the cores
// see it, and with it the signatures that they made of it: a replay needs no keys. Whenever the shell takes work from
// the cores, a hash over all work so far is written, so that a replay tells where it first differs.
//
// Recordings are written through to the operating system and not synced: they survive the end of the process, and lose
// their tail in a power failure. They hold no secret key, but all that the network said.
package flight

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/remora-network/remora"
)

// magic begins every recording; the digit is the version of its format.
const magic = "RFLIGHT1"

// A record is, big endian:
//
//	length of body u32 | CRC-32C of the length u32 | kind u8 | body | CRC-32C of kind and body u32
//
// The length has a sum of its own, so that damage to it is told from a file that ends early.
const (
	prefixSize = 4 + 4
	recordSize = prefixSize + 1 + 4 // without the body
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends a framed record to b.
func appendRecord(b []byte, k kind, body []byte) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
	b = append(b, byte(k))
	b = append(b, body...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start+prefixSize:], castagnoli))
}

// record is one entry of a recording.
type record struct {
	kind kind
	body []byte
}

// tape is a recording under replay.
type tape struct {
	rest []byte
	read int // records
}

func newTape(recording []byte) (*tape, error) {
	if len(recording) < len(magic) || string(recording[:len(magic)]) != magic {
		return nil, fmt.Errorf("flight: %w: the file does not begin with %q: it is no recording, or one of another version", remora.ErrMalformed, magic)
	}
	return &tape{rest: recording[len(magic):]}, nil
}

// next returns the next record, and io.EOF at the end or where the last record was cut off.
func (t *tape) next() (record, error) {
	if len(t.rest) < prefixSize {
		return record{}, io.EOF
	}
	if crc32.Checksum(t.rest[:4], castagnoli) != binary.BigEndian.Uint32(t.rest[4:]) {
		return record{}, t.damaged()
	}
	size := uint64(binary.BigEndian.Uint32(t.rest))
	if uint64(len(t.rest)) < size+recordSize {
		return record{}, io.EOF
	}
	end := prefixSize + 1 + int(size)
	if crc32.Checksum(t.rest[prefixSize:end], castagnoli) != binary.BigEndian.Uint32(t.rest[end:]) {
		return record{}, t.damaged()
	}
	r := record{kind: kind(t.rest[prefixSize]), body: t.rest[prefixSize+1 : end]}
	t.rest = t.rest[end+4:]
	t.read++
	return r, nil
}

func (t *tape) damaged() error {
	return fmt.Errorf("flight: %w: record %d has a wrong checksum", remora.ErrCorrupt, t.read+1)
}

// ended reports whether an error is only the end of the recording.
func ended(err error) bool { return errors.Is(err, io.EOF) }
