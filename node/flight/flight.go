package flight

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/remora-network/remora"
)

// magic begins every recording; the digit is the version of its format.
const magic = "RFLIGHT2"

// A record is, big endian:
//
//	length of body u32 | CRC-32C of the length u32 | kind u8 | body | CRC-32C of kind and body u32
//
// The length has a checksum of its own, which tells a damaged length from a file that ends early.
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

// tape is a recording in replay.
type tape struct {
	rest []byte
	read int // records
}

func newTape(recording []byte) (*tape, error) {
	if len(recording) < len(magic) || string(recording[:len(magic)]) != magic {
		return nil, fmt.Errorf("flight: %w: the file does not begin with %q: it is not a recording, or of another version", remora.ErrMalformed, magic)
	}
	return &tape{rest: recording[len(magic):]}, nil
}

// nextRecord returns the next record. It returns io.EOF at the end, or where the last record was cut off.
func (t *tape) nextRecord() (record, error) {
	if len(t.rest) < prefixSize {
		return record{}, io.EOF
	}
	if crc32.Checksum(t.rest[:4], castagnoli) != binary.BigEndian.Uint32(t.rest[4:]) {
		return record{}, t.damageError()
	}
	size := uint64(binary.BigEndian.Uint32(t.rest))
	if uint64(len(t.rest)) < size+recordSize {
		return record{}, io.EOF
	}
	end := prefixSize + 1 + int(size)
	if crc32.Checksum(t.rest[prefixSize:end], castagnoli) != binary.BigEndian.Uint32(t.rest[end:]) {
		return record{}, t.damageError()
	}
	r := record{kind: kind(t.rest[prefixSize]), body: t.rest[prefixSize+1 : end]}
	t.rest = t.rest[end+4:]
	t.read++
	return r, nil
}

func (t *tape) damageError() error {
	return fmt.Errorf("flight: %w: record %d has a wrong checksum", remora.ErrCorrupt, t.read+1)
}
