package state_test

import (
	"math/rand/v2"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/statetest"
)

// TestCalendar orders sub-DAGs ahead of their execution, with clocks that jump, and compares the epochs. A view of any
// later block may be entered again.
func TestCalendar(t *testing.T) {
	const blocks = 200
	rng := rand.New(rand.NewPCG(1, 2))
	g := statetest.Genesis("dev-calendar", 4)
	g.Params.EpochMillis, g.Params.EpochBlocks = 1000, 3
	c := statetest.NewChain(t, g)
	calendar, err := state.NewCalendar(c.Machine.Committee(), &g.Params, c.View)
	if err != nil {
		t.Fatal(err)
	}
	now, start := g.Time, c.View
	var subs []remora.SubDAG
	var epochs []remora.Epoch
	for range blocks {
		now += remora.Millis(rng.IntN(900))
		c.Next(statetest.Draft{Time: now, Times: map[remora.Authority]remora.Millis{1: now - min(now, 5000), 2: now + 70_000}})
		subs, epochs = append(subs, c.Inputs[len(c.Inputs)-1].SubDAG), append(epochs, c.Epoch().Number)
	}
	if last := epochs[blocks-1]; last < 20 {
		t.Fatalf("only %d epochs", last)
	}
	for i := range subs {
		calendar.Order(&subs[i])
		if i > 0 {
			calendar.Order(&subs[i-1]) // of a block that is ordered already
		}
		if calendar.Epoch() != epochs[i] {
			t.Fatalf("block %d: epoch %d ordered, %d executed", start.Tip.Height+remora.Height(i)+1, calendar.Epoch(), epochs[i])
		}
	}
	again, err := state.NewCalendar(c.Machine.Committee(), &g.Params, c.View)
	if err != nil {
		t.Fatal(err)
	}
	for i := range subs {
		again.Order(&subs[i])
	}
	if again.Epoch() != epochs[blocks-1] {
		t.Errorf("executed blocks move it to epoch %d", again.Epoch())
	}
}
