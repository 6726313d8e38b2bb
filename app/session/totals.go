package session

import (
	"fmt"
	"slices"

	"github.com/remora-network/remora"
)

// maxPasses is the number of concurrent fetches of a session that a seller tells apart.
const maxPasses = 4

// Totals are a session's sums at a cache, over all epochs. Bytes count as served before they leave.
type Totals struct {
	_           struct{} `cbor:",toarray"`
	Acked       uint64   // bytes of all receipts
	Outstanding uint64   // bytes served and not acknowledged, by fetches that may still do so
	Lost        uint64   // bytes that were outstanding when their fetch was over
	Forgiven    uint64   // bytes that were outstanding when a receipt of a closed epoch came
	Forgave     remora.Epoch
	Passes      []remora.Hash // of the newest fetches, oldest first
}

// Check reports totals that no seller makes.
func (t *Totals) Check() error {
	if len(t.Passes) > maxPasses {
		return fmt.Errorf("%w: %d passes, at most %d", remora.ErrInvalid, len(t.Passes), maxPasses)
	}
	return nil
}

// acknowledge returns the totals after a receipt for n more bytes. Lost bytes that it pays are not lost any more.
func (t *Totals) acknowledge(n uint64) Totals {
	after := *t
	after.Acked += n
	paid := min(n, t.Outstanding)
	after.Outstanding -= paid
	after.Lost -= min(n-paid, t.Lost)
	return after
}

// beginPass notes a pass, and with a new one gives up what the fetches before it left outstanding.
func (t *Totals) beginPass(pass remora.Hash) (changed bool) {
	if slices.Contains(t.Passes, pass) {
		return false
	}
	t.Lost += t.Outstanding
	t.Outstanding = 0
	t.Passes = append(slices.Clone(t.Passes[max(0, len(t.Passes)-maxPasses+1):]), pass)
	return true
}

// forgiveEpoch writes off what is outstanding when a receipt comes after its epoch was closed. The client loses the
// receipts of that epoch, so their bytes are not held against it. It does so once per epoch, and for at most FirstWindow
// + Acked/8 bytes in all, or late receipts would be a way to be served for free.
func (t *Totals) forgiveEpoch(e remora.Epoch) (changed bool) {
	limit := FirstWindow + t.Acked/8
	if e <= t.Forgave || t.Forgiven >= limit {
		return false
	}
	n := min(t.Outstanding, limit-t.Forgiven)
	t.Outstanding -= n
	t.Forgiven += n
	t.Forgave = e
	return true
}
