// Package bls signs and verifies over BLS12-381 in the min-sig form: 48-byte signatures in G1, 96-byte keys in G2.
//
// Every point that arrives as bytes is checked once, where it is decoded: canonical encoding, not infinity, right
// subgroup. The checked point is kept and the hot path uses it unchecked.
//
// # Usage
//
// Single signatures: ParsePublicKey once per key, then Verify. Committees: build one Keyring, collect Votes, and turn them
// into an aggregate with AggregateVerified; others check it with Keyring.VerifyAggregate, or many at once with
// VerifyAggregates. Aggregates in which each key signed its own message: VerifyDistinct.
//
// # Guarantees
//
// Aggregates over one message are sound only among keys whose possession was proven: otherwise a key computed from the
// others forges for all of them. The registry therefore checks VerifyPossession for every key and refuses a key that is
// registered already.
//
// Verdicts of batches equal those of single checks. Functions are safe for concurrent use and start no goroutine: the
// pairing contexts of blst are driven directly, because its own Verify calls start GOMAXPROCS goroutines.
package bls
