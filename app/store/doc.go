// Package store keeps content on disk: one flat file per object, with the outboard of its hash tree beside it.
//
// Content enters by [Store.Import], as plain bytes, or by [Store.Receive], as verified streams that can be resumed; it
// leaves by [Store.Stream] and [Store.ProveChunk]. The example imports and streams.
//
// Promises: an object is stored completely or not at all; every byte is verified while it is read, so a damaged piece
// never leaves, and a damaged object is removed (ErrDamaged); content never exceeds the quota, which includes objects that
// are being received; pinned objects are not evicted. One process at a time uses a directory.
//
// An object is complete once both files are synced under their names. Other files that a crash leaves are under tmp, which
// Open empties, or under partial, where they are verified again before receiving continues.
package store
