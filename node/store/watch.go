package store

import "github.com/cockroachdb/pebble/vfs"

// WatchedDisk is the disk for Options.FS. It calls full when a write finds no room, while that write and all others wait:
// a full that does not return ends the process before anyone learns of a write that failed.
func WatchedDisk(full func()) vfs.FS { return vfs.OnDiskFull(vfs.Default, full) }
