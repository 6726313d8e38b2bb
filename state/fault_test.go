package state_test

import (
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/statetest"
)

// TestFaultEndsBatch: what follows the first fault of a batch's author is neither verified nor executed; a refusal that
// depends on the state is no fault.
func TestFaultEndsBatch(t *testing.T) {
	c := statetest.NewChain(t, statetest.Genesis(dev, 4))
	opaque := remora.EncodeOpaque([]byte("opaque"))
	batch := func(txs ...[]byte) []remora.Code {
		t.Helper()
		out := c.Next(statetest.Draft{Time: c.View.Tip.Time + 1, Payload: payload{0: {c.Batch(0, txs...)}}})
		var codes []remora.Code
		for _, r := range out.Block.Results {
			codes = append(codes, remora.Code(r))
		}
		return codes
	}
	forged := slices.Clone(opaque)
	forged[2]++ // claims a byte more than there is
	if got, want := batch(opaque, forged, opaque, opaque), []remora.Code{remora.CodeOK, remora.CodeMalformed, remora.CodeSkipped, remora.CodeSkipped}; !slices.Equal(got, want) {
		t.Errorf("codes %v, want %v", got, want)
	}
}

// TestDeclaredWeightBindsBatch: execution skips from the transaction that would pass the weight that the author declared.
func TestDeclaredWeightBindsBatch(t *testing.T) {
	c := statetest.NewChain(t, statetest.Genesis(dev, 4))
	opaque := remora.EncodeOpaque(make([]byte, 500))
	ref := c.UnderweighedBatch(0, remora.WeighTx(opaque)*2, opaque, opaque, opaque)
	out := c.Next(statetest.Draft{Time: c.View.Tip.Time + 1, Payload: payload{0: {ref}}})
	want := []byte{byte(remora.CodeOK), byte(remora.CodeOK), byte(remora.CodeSkipped)}
	if !slices.Equal(out.Block.Results, want) {
		t.Errorf("results %v, want %v", out.Block.Results, want)
	}
}
