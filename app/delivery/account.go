package delivery

import (
	"slices"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	proof "github.com/remora-network/remora/proofs/delivery"
)

// keptPasses is how many fetches of a session at a time are told apart.
const keptPasses = 4

// totals is a session's account at this cache, over all epochs. Bytes count as served before they leave.
type totals struct {
	_           struct{} `cbor:",toarray"`
	Acked       uint64   // bytes of all receipts
	Outstanding uint64   // bytes served and not acknowledged, by fetches that may still do so
	Lost        uint64   // bytes that were outstanding when their fetch was over
	Forgiven    uint64   // bytes that were outstanding when a receipt of a closed epoch came
	Forgave     remora.Epoch
	Passes      []remora.Hash // of the newest fetches, oldest first
}

// window returns how many bytes may be outstanding.
func (t *totals) window() uint64 { return transfer.Window(t.Acked, t.Lost) }

// acknowledged returns the totals after a receipt for n more bytes. What was given up before and is paid now is not lost.
func (t *totals) acknowledged(n uint64) totals {
	after := *t
	after.Acked += n
	paid := min(n, t.Outstanding)
	after.Outstanding -= paid
	after.Lost -= min(n-paid, t.Lost)
	return after
}

// begin notes a pass. With a new one the fetches before it are over as far as anybody knows.
func (t *totals) begin(pass remora.Hash) (changed bool) {
	if slices.Contains(t.Passes, pass) {
		return false
	}
	t.Lost += t.Outstanding
	t.Outstanding = 0
	t.Passes = append(slices.Clone(t.Passes[max(0, len(t.Passes)-keptPasses+1):]), pass)
	return true
}

// forgive writes off what is outstanding when a receipt comes too late: the cache closed its epoch, so its bytes are not
// held against the client, which gives up all receipts of that epoch. Once per epoch, and in all no more than a client
// may lose as well: a late receipt costs its client nothing, and is not to be a way to be served for nothing.
func (t *totals) forgive(e remora.Epoch) (changed bool) {
	limit := transfer.FirstWindow + t.Acked/8
	if e <= t.Forgave || t.Forgiven >= limit {
		return false
	}
	n := min(t.Outstanding, limit-t.Forgiven)
	t.Outstanding -= n
	t.Forgiven += n
	t.Forgave = e
	return true
}

// account is a session's state while it is in memory.
type account struct {
	session remora.SessionID

	mu    sync.Mutex // one request at a time does accounts
	t     totals
	dirty bool // the journal has older totals
	book  *book

	// guarded by the mutex of accounts
	users   int    // requests that have it; only without any it may go
	used    uint64 // when it was last let go
	extents int    // in the book's tally
}

// book is the newest receipt of an epoch.
type book struct {
	epoch  remora.Epoch
	signed remora.SignedReceipt // of no bytes: none yet
	tally  *proof.Tally         // nil until it is needed
}

// bytes returns what is acknowledged in the epoch.
func (b *book) bytes() uint64 { return b.signed.Receipt.Bytes }
