// Package blocksync executes certified blocks of other nodes: after a start, when a validator has fallen behind the DAG's
// window, and all the time at a follower.
//
// A Syncer belongs to the goroutine that owns the executor. CatchUp asks several peers at once until authorities of a
// validity stake have nothing more; Follow asks one peer. A block counts by its certificate alone: no peer's claim is
// believed, and a peer whose answer does not hold is left alone for a while. Only failures of this node are errors.
//
// A Minority is the error of a node whose state is not the quorum's. An Examiner then finds the first block and the first
// row that differ before the node stops.
//
// A Pull decides who is asked for which heights, an Importer executes what comes; neither has a goroutine or a clock, and the
// simulator runs both.
package blocksync
