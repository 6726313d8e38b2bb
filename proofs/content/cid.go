package content

import (
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"

	"github.com/remora-network/remora"
)

// CodecDirectory is the multicodec of directory manifests, from the range for private use, so that nobody takes one
// for a file.
const CodecDirectory = 0x300d01

// maxCIDText is above what a CIDv1 of 32 bytes takes in any of the accepted bases.
const maxCIDText = 128

// Sentinels of ParseCID.
var (
	// ErrCID is text that is no CID, or a spelling that is not accepted.
	ErrCID = errors.New("malformed CID")
	// ErrForeignCID is a well-formed CID of another system: it may be an alias of content, but is not its key.
	ErrForeignCID = errors.New("CID of another system")
)

// CID returns the text form of a content's key: CIDv1 in base32, lower case. It does not carry the length.
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

// ParseCID reads a CIDv1 in base32, base36 or base58btc, in the one spelling that each base has. A CID of another
// version, codec or hash is an ErrForeignCID, anything else an ErrCID.
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

// checkSpelling reports another base than b (base32), k (base36) and z (base58btc), upper case, and stray bits.
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
