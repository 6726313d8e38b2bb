// Package content turns bytes into verdicts about content: the BLAKE3 tree that is a file's key, verified streams of
// ranges of it, proofs of single chunks, the text form of keys, and directory manifests. It is pure: readers and
// writers are handed in.
//
// Three things are made of one tree, whose root is the plain BLAKE3 digest of the bytes. A chunk (1 KiB) is a leaf and
// what a proof of delivery opens. A piece (16 KiB) is what is stored, sent and verified as one. The outboard holds the
// pairs of chaining values above the pieces in post-order: it is appended to while the length is still unknown, and
// never travels. A verified stream carries the same pairs in pre-order, each before the pieces that it vouches for.
package content
