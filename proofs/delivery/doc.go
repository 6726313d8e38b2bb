// Package delivery is the proof of delivery: the sum tree over the extents of a receipt, the tree over the receipts of a
// claim, the offsets that a seed draws, and the opening that answers them.
//
// A client signs what it received as a list of extents under the root of a sum tree (Tally). A node claims the bytes of
// many such receipts under one root (ReceiptsRoot). A seed that nobody knew then draws bytes of the claim (Challenge),
// each of which leads to a receipt, in it to an extent, and in that to a chunk of content: the node shows all three with
// their paths (Challenge.Open), and the chain checks them (Challenge.Verify). A claim of which a share c is bad passes
// with probability (1-c)^32. Signatures are summed and verified outside: bls.Aggregate and bls.VerifyDistinct.
package delivery
