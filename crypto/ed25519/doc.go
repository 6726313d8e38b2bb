// Package ed25519 signs, and verifies by the rules of ZIP-215: any encoding of R and of the key is accepted, s must be
// canonical, and the equation is multiplied by the cofactor. Under these rules a signature has the same verdict alone and
// in a batch. Under the standard library's rules it may not, so that two nodes could disagree on a block with a crafted
// signature; its Verify is therefore banned from this module.
package ed25519
