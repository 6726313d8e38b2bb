// Package remora is the shared vocabulary of the node: the types that cross packages, their canonical encoding,
// their hashes and the sentinels that several packages branch on. It has no behaviour beyond encode, hash, compare.
//
// Every object that travels or rests is core deterministic CBOR (RFC 8949 §4.2.1); a decoder re-encodes and compares,
// so a value has one encoding. Hashes and signatures never cover an encoding: they cover an explicit preimage made of
// a tag, the chain id and length-prefixed fields.
package remora
