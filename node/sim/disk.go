package sim

import (
	"math/rand/v2"

	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
)

// disk is the state that outlives a process: batches in files, everything else in a database. Both lose unsynced writes in
// a crash.
type disk struct {
	files *crashfs.FS
	rows  *store.Memory
	// record is the signing record beside the consensus key, durable as soon as it is replaced; nil: it is lost.
	record *keystore.Record
}

// newDisk returns the disk of a new validator, whose keys never signed.
func newDisk(seed uint64, values *store.Values) disk {
	return disk{files: crashfs.New(seed), rows: store.NewMemory(values), record: new(keystore.Record)}
}

func (d disk) openStore() (*store.Store, error) {
	return store.Open("home", store.Options{FS: d.files, Memory: d.rows})
}

// crashImage returns what a new process finds after a power failure: nothing of what was not synced, or a part of it.
func (d disk) crashImage(chance *rand.Rand) disk {
	if chance.IntN(2) == 0 {
		return disk{files: d.files.Crash(crashfs.Strict), rows: d.rows.Crash(0), record: d.record}
	}
	return disk{files: d.files.Crash(crashfs.Partial), rows: d.rows.Crash(chance.IntN(d.rows.Pending() + 1)), record: d.record}
}

// wholeImage returns a copy of the disk with all writes, as a new process finds it after the old one was killed.
func (d disk) wholeImage() disk {
	return disk{files: d.files.Crash(crashfs.Whole), rows: d.rows.Crash(d.rows.Pending()), record: d.record}
}

// fillUp makes every write fail.
func (d disk) fillUp() {
	d.files.FullAt(0)
	d.rows.Fail(crashfs.ErrNoSpace)
}

// makeRoom makes room.
func (d disk) makeRoom() {
	d.files.Heal()
	d.rows.Fail(nil)
}
