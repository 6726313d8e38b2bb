// Package crashfs is an in-memory file system for tests that loses what a power failure may lose.
//
// An FS holds every file and directory twice: as a running process sees it, and as it certainly is on the disk. File
// content becomes durable by Sync of the file, directory entries by Sync of the directory. Every changing operation is
// counted, a fault can be armed at any of them, and Crash returns the disk as a new process finds it after the power
// failure. A test that repeats its workload with the fault at operation 1, 2, 3, … visits every crash point:
//
//	for n := 1; ; n++ {
//		fs := crashfs.New(uint64(n))
//		fs.LoseAt(n)
//		acked := workload(fs) // acknowledged is what returned while !fs.Crashed()
//		check(fs.Crash(crashfs.Partial), acked)
//		if !fs.Crashed() {
//			break // the workload has fewer than n operations
//		}
//	}
//
// # Two kinds of crash
//
// FailAt returns an error from operation n and from all later ones. LoseAt lets the process continue unaware: operations
// succeed and are visible to it, but nothing from operation n on reaches the disk. Both give the same images.
// Use LoseAt for code that ends the process on an I/O error, above all for pebble.
//
// # Pebble v1.1.5 under I/O errors
//
//   - DB.Apply (Set, Delete, …) calls Logger.Fatalf when the write-ahead log fails, in the caller's goroutine and without
//     a lock held. When Fatalf returns, Apply returns nil: a write that is not durable looks acknowledged.
//   - Flushes and compactions call Logger.Fatalf when the MANIFEST fails, in a background goroutine with DB.mu held. When
//     Fatalf returns, the job is tried again on a file of unknown content.
//   - The rotation of the MANIFEST panics when the directory cannot be synced, also in the background.
//
// Hence Fatalf must never return. Logger in this package panics with *Fatal for the first kind, so that the caller can
// recover, and ends the goroutine for the second: deferred calls release DB.mu, reads and the write-ahead log continue,
// no obsolete log is deleted. After the first kind Close returns an error as it should; after the second it never returns,
// because it waits for the job that ended: abandon the DB, which in a node means to end the process.
package crashfs
