package segment

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/remora-network/remora"
)

// Record is one stored batch with the fields of its header.
type Record struct {
	Digest  remora.Hash // content address of Payload, computed by the caller
	Author  uint16
	Worker  uint16
	Epoch   uint64
	Seq     uint64
	Weight  uint64
	Count   uint32
	Size    uint32 // of Payload, also where it was not read
	Payload []byte
}

// Location is the place of a record: the number of its segment, the offset of its header there, the length of its
// payload.
type Location struct {
	Segment uint32
	Offset  uint32
	Length  uint32
}

// endOffset returns the offset behind the record.
func (l Location) endOffset() int64 { return int64(l.Offset) + headerSize + int64(l.Length) }

// Layout of a record header, little endian:
//
//	0  magic        u32
//	4  length       u32  of the payload
//	8  digest       32 B
//	40 author       u16
//	42 worker       u16
//	44 epoch        u64
//	52 seq          u64
//	60 weight       u64
//	68 count        u32
//	72 payload crc  u32  CRC-32C of bytes 4-72 and the payload
//	76 header crc   u32  CRC-32C of segment number, offset, bytes 0-76
//
// The header has a checksum of its own so that Open can walk a segment without reading payloads. It covers segment number
// and offset so that a copy of a record inside a payload is not taken for a record of the log.
const (
	headerSize = 80
	magic      = 0x32474553 // "SEG2": the last digit is the version of the layout
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is a decoded record header.
type header struct {
	loc     Location
	digest  remora.Hash
	author  uint16
	worker  uint16
	epoch   uint64
	seq     uint64
	weight  uint64
	count   uint32
	payload uint32 // checksum
	meta    uint32 // checksum of the fields that the payload's checksum covers too
}

func headerChecksum(b []byte, segment, offset uint32) uint32 {
	var place [8]byte
	binary.LittleEndian.PutUint32(place[:4], segment)
	binary.LittleEndian.PutUint32(place[4:], offset)
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, b[:76])
}

// encodeRecord appends header and payload of r, to be stored at loc.
func encodeRecord(b []byte, r Record, loc Location) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, magic)
	b = binary.LittleEndian.AppendUint32(b, loc.Length)
	b = append(b, r.Digest[:]...)
	b = binary.LittleEndian.AppendUint16(b, r.Author)
	b = binary.LittleEndian.AppendUint16(b, r.Worker)
	b = binary.LittleEndian.AppendUint64(b, r.Epoch)
	b = binary.LittleEndian.AppendUint64(b, r.Seq)
	b = binary.LittleEndian.AppendUint64(b, r.Weight)
	b = binary.LittleEndian.AppendUint32(b, r.Count)
	sum := crc32.Update(crc32.Checksum(b[at+4:], castagnoli), castagnoli, r.Payload)
	b = binary.LittleEndian.AppendUint32(b, sum)
	b = binary.LittleEndian.AppendUint32(b, headerChecksum(b[at:], loc.Segment, loc.Offset))
	return append(b, r.Payload...)
}

// decodeHeader decodes the header in b, headerSize bytes, and reports whether it was written for that place.
func decodeHeader(b []byte, segment, offset uint32) (header, bool) {
	if binary.LittleEndian.Uint32(b) != magic || binary.LittleEndian.Uint32(b[76:]) != headerChecksum(b, segment, offset) {
		return header{}, false
	}
	return header{
		loc:     Location{Segment: segment, Offset: offset, Length: binary.LittleEndian.Uint32(b[4:])},
		digest:  remora.Hash(b[8:40]),
		author:  binary.LittleEndian.Uint16(b[40:]),
		worker:  binary.LittleEndian.Uint16(b[42:]),
		epoch:   binary.LittleEndian.Uint64(b[44:]),
		seq:     binary.LittleEndian.Uint64(b[52:]),
		weight:  binary.LittleEndian.Uint64(b[60:]),
		count:   binary.LittleEndian.Uint32(b[68:]),
		payload: binary.LittleEndian.Uint32(b[72:]),
		meta:    crc32.Checksum(b[4:72], castagnoli),
	}, true
}

// matchesPayload reports whether the header was written for this payload.
func (h header) matchesPayload(payload []byte) bool {
	return crc32.Update(h.meta, castagnoli, payload) == h.payload
}

func (h header) withPayload(payload []byte) Record {
	return Record{
		Digest: h.digest, Author: h.author, Worker: h.worker, Epoch: h.epoch, Seq: h.seq, Weight: h.weight, Count: h.count,
		Size: h.loc.Length, Payload: payload,
	}
}
