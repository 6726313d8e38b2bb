// Package blocksync executes certified blocks of other nodes: after a start, when a validator has fallen behind the DAG's
// window, and all the time at a follower.
//
// A Syncer belongs to the goroutine that owns the executor. CatchUp asks several peers at once until authorities of a
// validity stake have no more blocks; Follow asks one peer. Blocks are accepted by their certificates alone, and a peer with
// an invalid answer is not asked again for a while. Only failures of this node are errors.
//
// Minority is the error of a node whose state differs from the quorum's. An Examiner then finds the first block and the
// first row that differ, before the node stops.
//
// A Pull decides which peer is asked for which heights, and an Importer executes the answers. Neither has a goroutine or a
// clock; the simulator runs both.
package blocksync
