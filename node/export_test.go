package node

import (
	"fmt"

	"github.com/remora-network/remora/state/table"
)

// Damage rewrites a row of the running node's tables behind the executor's back, as a disk that forgets would.
func (n *Node) Damage(t table.ID, key []byte, change func(value []byte) []byte) error {
	value, err := n.store.Tables().Get(t, key)
	if err != nil {
		return err
	}
	if value == nil {
		return fmt.Errorf("no row %x in %s", key, t)
	}
	return n.store.Init(n.config.Genesis.Hash(), []table.Change{{Table: t, Key: key, Value: change(value)}})
}

// Ready is what the node says of itself.
func (n *Node) Ready() (bool, []string) { return n.ready() }
