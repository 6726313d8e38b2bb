package content

import (
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"

	"github.com/remora-network/remora"
)

// CodecDirectory is the multicodec of directory manifests, from the range for private use. It tells them from files.
const CodecDirectory = 0x300d01

// maxCIDText exceeds the length of a CIDv1 with a 32-byte hash in every accepted base.
const maxCIDText = 128

// Sentinels of ParseCID.
var (
	// ErrCID refuses text that is not a CID, or not in its canonical spelling.
	ErrCID = errors.New("malformed CID")
	// ErrForeignCID refuses a well-formed CID of another system: it may be an alias of content, but is not its key.
	ErrForeignCID = errors.New("CID of another system")
)

// CID returns the text form of a content's key without its length: a CIDv1 in lower-case base32.
func CID(root remora.Hash, directory bool) string {
	sum, err := multihash.Encode(root[:], multihash.BLAKE3)
	if err != nil {
		panic("content: multihash of a root: " + err.Error())
	}
	codec := uint64(cid.Raw)
	if directory {
		codec = CodecDirectory
	}
	return cid.NewCidV1(codec, sum).String()
}

// ParseCID reads a CIDv1 in the canonical spelling of base32, base36 or base58btc. It fails with ErrForeignCID on a CID of
// another version, codec or hash, and with ErrCID on anything else.
func ParseCID(s string) (root remora.Hash, directory bool, err error) {
	if len(s) > maxCIDText {
		return root, false, fmt.Errorf("%w: %d characters, at most %d", ErrCID, len(s), maxCIDText)
	}
	c, err := cid.Decode(s)
	if err != nil {
		return root, false, fmt.Errorf("%w: %.64q: %v", ErrCID, s, err)
	}
	if c.Version() == 0 {
		return root, false, fmt.Errorf("%w: version 0", ErrForeignCID)
	}
	if err := checkSpelling(c, s); err != nil {
		return root, false, err
	}
	p := c.Prefix()
	if p.Codec != cid.Raw && p.Codec != CodecDirectory {
		return root, false, fmt.Errorf("%w: codec %#x, want raw or directory (%#x)", ErrForeignCID, p.Codec, CodecDirectory)
	}
	if p.MhType != multihash.BLAKE3 || p.MhLength != remora.HashSize {
		return root, false, fmt.Errorf("%w: hash %#x of %d bytes, want 32 bytes of blake3", ErrForeignCID, p.MhType, p.MhLength)
	}
	sum := c.Hash()
	return remora.Hash(sum[len(sum)-remora.HashSize:]), p.Codec == CodecDirectory, nil
}

// checkSpelling refuses every base but b (base32), k (base36) and z (base58btc), upper case, and stray bits.
func checkSpelling(c cid.Cid, s string) error {
	base, err := cid.ExtractEncoding(s)
	if err != nil {
		return fmt.Errorf("%w: %.64q: %v", ErrCID, s, err)
	}
	if base != 'b' && base != 'k' && base != 'z' {
		return fmt.Errorf("%w: base %q: use base32, base36 or base58btc in lower case", ErrCID, rune(base))
	}
	again, err := c.StringOfBase(base)
	if err != nil || again != s {
		return fmt.Errorf("%w: %.64q: not the canonical spelling, %s", ErrCID, s, c)
	}
	return nil
}
