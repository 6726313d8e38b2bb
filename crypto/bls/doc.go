// Package bls signs and verifies over BLS12-381 in the min-sig form: 48-byte signatures in G1, 96-byte keys in G2.
//
// Every point that arrives as bytes is checked once, where it is decoded: canonical encoding, not infinity, right
// subgroup. The checked point is kept and the hot path uses it unchecked.
//
// Aggregates over one message are only sound among keys whose possession was proven (VerifyPossession), else a key
// chosen as a function of the others forges for all of them. Whoever registers a key checks that proof, and refuses
// a key that is registered already.
//
// Nothing here starts a goroutine: the pairing contexts of blst are driven directly, because its own Verify calls fan
// out to GOMAXPROCS goroutines. Callers parallelise outside.
package bls
