package crashfs

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrCrashed is returned by every changing operation of a process killed by FailAt.
	ErrCrashed = errors.New("crashfs: the simulated process has crashed")
	// ErrNoSpace is returned by operations that need space once FullAt has taken effect. It wraps syscall.ENOSPC.
	ErrNoSpace = fmt.Errorf("crashfs: %w", syscall.ENOSPC)
	// ErrSync is returned by the Sync that SyncErrorAt breaks. It wraps syscall.EIO.
	ErrSync = fmt.Errorf("crashfs: sync failed: %w", syscall.EIO)
)

type fault uint8

const (
	none fault = iota
	failing
	losing
	full
	badSync
	lying
)

// action is the kind of an operation.
type action uint8

const (
	grow  action = iota // needs space
	other               // changes something without needing space
	flush               // makes earlier changes durable
)

// verdict is the effect of one operation.
type verdict struct {
	apply   bool  // the running process sees the effect
	durable bool  // the effect may survive a crash; for flush: the pending changes now do
	err     error // returned to the process
}

// FailAt kills the process at changing operation n, counted from 1: it and all later ones return ErrCrashed. Operation
// n itself may or may not have reached the disk, as a write in flight; a Sync at n has not.
func (f *FS) FailAt(n int) { f.armFault(failing, n) }

// LoseAt cuts the power at changing operation n without the process noticing: later operations succeed for it, but none
// of them reaches the disk. Whatever returned while Crashed was false was acknowledged in time.
func (f *FS) LoseAt(n int) { f.armFault(losing, n) }

// FullAt fills the disk at operation n: operations that need space fail with ErrNoSpace until Heal. A write at n is cut
// short in the middle; Remove, Rename and Sync still work.
func (f *FS) FullAt(n int) { f.armFault(full, n) }

// SyncErrorAt makes the first Sync at or after operation n fail with ErrSync and drop its pending changes: later Syncs
// succeed, yet the dropped bytes never reach the disk, as on Linux.
func (f *FS) SyncErrorAt(n int) { f.armFault(badSync, n) }

// LieAt makes every Sync from operation n on return success without effect.
func (f *FS) LieAt(n int) { f.armFault(lying, n) }

// Heal ends the armed fault. It does not undo a crash.
func (f *FS) Heal() { f.armFault(none, 0) }

func (f *FS) armFault(k fault, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.at = k, n
}

// Ops returns the number of changing operations so far.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// Crashed reports whether the operation of FailAt or LoseAt was reached. It stays true.
func (f *FS) Crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.crashed
}

// countOperation counts an operation and returns its effect. Callers hold f.mu.
func (f *FS) countOperation(a action) verdict {
	f.ops++
	v := verdict{apply: true, durable: !f.crashed}
	if f.fault == none || f.ops < f.at {
		return v
	}
	switch f.fault {
	case none:
	case failing, losing:
		inFlight := !f.crashed && a != flush
		f.crashed = true
		v = verdict{apply: true, durable: inFlight}
		if f.fault == failing {
			v.apply, v.err = inFlight, ErrCrashed
		}
	case full:
		if a == grow {
			v = verdict{err: ErrNoSpace}
		}
	case badSync:
		if a == flush {
			f.fault = none
			v = verdict{err: ErrSync}
		}
	case lying:
		v.durable = v.durable && a != flush
	}
	return v
}

// changeEntries applies one operation on the entries of a directory. Callers hold f.mu.
func (f *FS) changeEntries(a action, dir *node, entries ...entry) error {
	v := f.countOperation(a)
	if v.apply {
		applyEntries(dir.entries, entries)
	}
	if v.durable {
		dir.changes = append(dir.changes, entries)
	}
	return v.err
}
