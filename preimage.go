package remora

import (
	"encoding/binary"

	"github.com/zeebo/blake3"
)

// preimage builds the input of a hash or a signature: a tag, the domain of the chain, then fields in order. Byte strings follow their
// length, integers are 8 bytes big endian and lists follow their count, so different fields never have equal preimages.
type preimage struct{ buf []byte }

func newPreimage(tag string, d Domain) *preimage {
	p := &preimage{buf: make([]byte, 0, 256)}
	return p.addBytes([]byte(tag)).addHash(Hash(d))
}

func (p *preimage) addUint(v uint64) *preimage {
	p.buf = binary.BigEndian.AppendUint64(p.buf, v)
	return p
}

func (p *preimage) addBytes(b []byte) *preimage {
	p.addUint(uint64(len(b)))
	p.buf = append(p.buf, b...)
	return p
}

func (p *preimage) addHash(h Hash) *preimage {
	p.buf = append(p.buf, h[:]...)
	return p
}

func (p *preimage) sumDigest() Hash { return blake3.Sum256(p.buf) }
