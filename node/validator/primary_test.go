package validator

import (
	"sync/atomic"
	"testing"

	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/node/trust"
)

// TestRebuiltCoresFollowTheDAGFirst rebuilds the cores after block syncs that brought something, and after others that
// brought nothing: they ask for the next one ever later, and never at once.
func TestRebuiltCoresFollowTheDAGFirst(t *testing.T) {
	c := replaytest.New(t, "dev-quiet")
	members, err := c.Genesis.Committee()
	if err != nil {
		t.Fatal(err)
	}
	committee, err := trust.New(members)
	if err != nil {
		t.Fatal(err)
	}
	p := &primary{
		store: c.Store, head: c.Head, ports: ports{epoch: new(atomic.Uint64)},
		rebuild: Rebuild{Cores: restore.Config{Genesis: c.Genesis, Committee: members, Signer: &trust.Signer{Committee: committee}}},
	}
	for i, want := range []int{0, minQuiet, 2 * minQuiet, minQuiet, 2 * minQuiet, 4 * minQuiet} {
		if i == 3 {
			c.Block()
		}
		if err := p.rebuildCores(); err != nil {
			t.Fatal(err)
		}
		if p.rebuild.Cores.Quiet != want {
			t.Errorf("rebuilt %d times: quiet for %d ticks, want %d", i, p.rebuild.Cores.Quiet, want)
		}
	}
}
