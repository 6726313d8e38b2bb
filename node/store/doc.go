// Package store is the durable state of a node: batches in append-only segments, everything else in one cometbft-db
// database over pebble. It is the only importer of both.
//
// # Usage
//
// [Open] opens a data directory, or creates it; [Store.Init] writes the genesis once. Then
//
//   - batches are appended by [Store.AppendBatches], before they are acknowledged to anyone;
//   - the records of the mempool core are written by [Store.SaveDAG], before the messages that depend on them are sent,
//     and read by [Store.LoadDAG] after a restart;
//   - an executed block is written by [Store.Commit], together with its state changes, results and cursor. Block sync
//     stages blocks ([Store.Stage]) and makes several durable with one Commit.
//
// The state is read through [Store.Snapshot], which later commits do not change. A service that needs records of its own
// opens a [Journal]. Simulations put a [Memory] in place of the database, tests a crashfs.FS in place of the disk.
//
// # Promises
//
// One database means one write-ahead log: a synced write makes everything written before it durable, too. A header that is
// synced before it is sent makes durable every certificate that was accepted before it; a block, its state and its cursor
// are one batch. A failed write leaves the content of the disk unknown: the node has to end its process and open the store
// again. Damaged batches are reported (ErrCorrupt, [Store.Damage]) and can be appended again.
package store
