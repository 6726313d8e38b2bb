// Package segment stores batches of transactions, and other content-addressed records of up to a megabyte, in
// append-only files.
//
// A Log is a directory of files NNNNNNNN.seg. Records are appended to the last one; a full file is synced before the next
// one is created, so a crash can damage only the last. Sync makes everything appended before durable: a writer appends
// the queued records, syncs once, and acknowledges all of them, as in the example. Has and Get see a record as soon as it
// is appended, durable or not.
//
// # Disk failures
//
// A failed write or sync stops the Log with ErrFailed until a restart, because the kernel may have dropped the pages:
// reading continues, appending does not. Open cuts off a torn tail and syncs the rest, which a killed process may have
// left in the page cache only. Damage elsewhere is reported and skipped; the caller fetches those records again and
// appends them.
//
// # Memory
//
// The index costs 44 bytes per record plus the free room of a Go map, 50 to 100 bytes in all. One file stays open per
// segment. Remove bounds both; it can keep records of the segment by appending them again.
package segment
