// Package registry keeps the participants and the calendar of the chain: nodes with their keys and names, registered
// content, the epoch, the term and its committee.
//
// Register and RegisterContent are the rules of two kinds of transactions. Get, ByName, ByKey and All read nodes, GetContent
// and AllContent content, GetEpoch, GetTerm and GetClock the calendar. No two nodes share a name, a key or a peer id.
package registry

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// maxRecord bounds an encoded record of this package: a node with eight addresses at their limit is the largest.
const maxRecord = 8 << 10

// Get returns the node that an account registered and whether there is one.
func Get(v table.View, account remora.Address) (node remora.Node, exists bool, err error) {
	exists, err = table.Load(v, table.Nodes, account[:], maxRecord, &node)
	return node, exists, err
}

// ByName returns the account that registered a name and whether there is one.
func ByName(v table.View, name string) (account remora.Address, exists bool, err error) {
	return findHolder(v, table.NodeNames, name)
}

// ByKey returns the account whose node has the given key (consensus, beacon or header) or peer id, as bytes.
func ByKey(v table.View, key string) (account remora.Address, exists bool, err error) {
	return findHolder(v, table.NodeKeys, key)
}

func findHolder(v table.View, t table.ID, key string) (account remora.Address, exists bool, err error) {
	b, err := v.Get(t, []byte(key))
	if err != nil || b == nil {
		return account, false, err
	}
	if len(b) != len(account) {
		return account, false, fmt.Errorf("%w: registry index: %d bytes where an address is expected", remora.ErrCorrupt, len(b))
	}
	copy(account[:], b)
	return account, true, nil
}

// All visits the registered nodes in the order of their accounts, until visit returns false.
func All(v table.View, visit func(account remora.Address, node remora.Node) bool) error {
	return table.Visit(v, table.Nodes, nil, maxRecord, func(key []byte, node remora.Node) bool {
		var account remora.Address
		copy(account[:], key)
		return visit(account, node)
	})
}
