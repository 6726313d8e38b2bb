package store

import "github.com/cockroachdb/pebble/vfs"

// WatchedDisk returns the disk for Options.FS. It calls full when a write fails for lack of space, and that write and
// all others wait until full returns: a full that never returns can end the process before any caller sees a failed
// write.
func WatchedDisk(full func()) vfs.FS { return vfs.OnDiskFull(vfs.Default, full) }
