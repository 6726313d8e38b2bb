package state

import (
	"errors"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/ledger"
	"github.com/remora-network/remora/state/table"
)

// TestLeakStopsTheBlock creates coins past the ledger, as a defect would: Apply returns no block.
func TestLeakStopsTheBlock(t *testing.T) {
	o := table.NewOverlay(new(table.Memory))
	ledger.Put(o, remora.Address{1}, ledger.Account{Balance: 1})
	var out Outcome
	if err := out.finishBlock(View{}, o); !errors.Is(err, ledger.ErrNotConserved) {
		t.Errorf("a coin from nothing: %v", err)
	}
	if out.Changes != nil {
		t.Errorf("%d changes are left", len(out.Changes))
	}
}
