// Package content verifies content: files and folders named by the root of their BLAKE3 tree, which is the plain BLAKE3
// digest of their bytes. It is pure: callers pass in readers and writers.
//
// # Terms
//
// A chunk (1 KiB) is a leaf of the tree and the unit that a proof of delivery opens. A piece (16 KiB) is the unit that is
// stored, sent and verified. A pair is the two chaining values below an inner node above the pieces. The outboard is the
// file of all pairs in post-order, so that it can be appended to while the length is still unknown; it is stored beside the
// content and never sent. A verified stream holds the pairs and pieces of a range in pre-order, each pair before the pieces
// that it verifies.
//
// # Usage
//
// A Writer computes root, length and outboard of bytes that are written to it. An Encoder turns content and outboard into
// the verified stream of a range; a Decoder, given root and length, turns the stream back into bytes. ProveChunk and
// VerifyChunk do the same for a single chunk. CID and ParseCID convert between a root and its text form. A Directory is
// the manifest of a folder, itself stored as content.
//
// # Guarantees
//
// A Decoder releases no byte that it has not verified, and an Encoder sends none: damage in the store ends the stream with
// a Mismatch that names the bytes. Both need memory for one piece and its path, however long the content is. Every value
// has one encoding: one spelling of a CID per base, one order of entries, one path per chunk.
package content
