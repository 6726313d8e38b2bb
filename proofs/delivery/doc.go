// Package delivery is the proof of delivery. It has four steps:
//
//   - Receipt: a client keeps a Tally of the extents that it received and signs the root of the sum tree over them, which
//     also commits to their bytes.
//   - Claim: a node claims the bytes of many receipts under one root (ReceiptsRoot).
//   - Challenge: a seed that nobody knew when the claim was committed draws 32 of its bytes. Each leads to a receipt, in
//     that to an extent, and in that to a chunk of content.
//   - Opening: the node shows all three with their paths (Challenge.Open), and the chain checks them (Challenge.Verify).
//
// A claim of which a fraction c is bad passes with probability (1-c)^32. Callers aggregate and verify the signatures:
// bls.Aggregate and bls.VerifyDistinct.
package delivery
