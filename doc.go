// Package remora is the shared vocabulary of the module: the types that cross packages, their canonical encodings and
// hashes, and the sentinel errors that several packages branch on. It does nothing but encode, hash, check and compare.
//
// Every object on the wire or on disk is core deterministic CBOR (RFC 8949 §4.2.1), except batches (see Batch). A decoder
// re-encodes and compares, so a value has one encoding. Hashes and signatures cover an explicit preimage of a tag, the
// domain and length-prefixed fields.
//
// Decode functions check the encoding alone. Check methods check structure and limits without any state. Signatures,
// possession of keys and proofs are verified by the caller.
package remora
