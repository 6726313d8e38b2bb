package node_test

import (
	"errors"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node"
)

// A chain with money on it takes no node whose clock is wrong on purpose.
func TestClockOffsetIsForDevChains(t *testing.T) {
	dir := t.TempDir()
	_, err := node.New(node.Config{Genesis: &remora.Genesis{ChainID: "main-1"}, DataDir: dir, ClockOffset: time.Hour})
	if !errors.Is(err, node.ErrClockOffset) {
		t.Errorf("a chain that is no dev chain: %v", err)
	}
}
