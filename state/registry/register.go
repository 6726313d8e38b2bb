package registry

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

// Register enters an account's node, in place of the one it registered before. It returns a Rejection when the record
// breaks a limit, when another account has its name or one of its keys, or when a proof of possession is wrong. These
// are checked last, since they cost most, and only for keys that the account's node did not have before.
func Register(o *table.Overlay, v verdict.Verifier, account remora.Address, node *remora.Node) error {
	if err := check(node); err != nil {
		return err
	}
	if err := checkFree(o, account, node); err != nil {
		return err
	}
	old, exists, err := Get(o, account)
	if err != nil {
		return err
	}
	if err := checkPossession(v, &old, node); err != nil {
		return err
	}
	if exists {
		release(o, &old)
	}
	enter(o, account, node)
	return nil
}

func check(node *remora.Node) error {
	if err := node.Check(); err != nil {
		return remora.Reject(remora.CodeInvalidNode, "%v", err)
	}
	seen := make(map[string]bool, 4)
	for _, k := range keys(node) {
		if seen[k] {
			return remora.Reject(remora.CodeInvalidNode, "the node uses one key for two purposes: make one for each")
		}
		seen[k] = true
	}
	return nil
}

func checkFree(v table.View, account remora.Address, node *remora.Node) error {
	holder, taken, err := ByName(v, node.Name)
	if err != nil {
		return err
	}
	if taken && holder != account {
		return remora.Reject(remora.CodeNameTaken, "account %s registered the name %q: choose another", holder, node.Name)
	}
	for _, k := range keys(node) {
		holder, taken, err := ByKey(v, k)
		if err != nil {
			return err
		}
		if taken && holder != account {
			return remora.Reject(remora.CodeNodeExists, "account %s registered a node with one of these keys or the peer id", holder)
		}
	}
	return nil
}

func checkPossession(v verdict.Verifier, old, node *remora.Node) error {
	known := old.Consensus == node.Consensus && old.Possession == node.Possession
	if !known && !v.Holds(verdict.Possession{Public: node.Consensus, Proof: node.Possession}) {
		return remora.Reject(remora.CodeBadPossession, "consensus_possession does not prove possession of consensus_key")
	}
	known = old.Beacon == node.Beacon && old.BeaconPoP == node.BeaconPoP
	if !known && !v.Holds(verdict.Possession{Public: node.Beacon, Proof: node.BeaconPoP}) {
		return remora.Reject(remora.CodeBadPossession, "beacon_possession does not prove possession of beacon_key")
	}
	return nil
}

// keys lists what no two nodes share.
func keys(n *remora.Node) []string {
	return []string{string(n.Consensus[:]), string(n.Beacon[:]), string(n.Header[:]), n.PeerID}
}

func enter(o *table.Overlay, account remora.Address, node *remora.Node) {
	o.Put(table.Nodes, account[:], remora.Encode(node))
	o.Put(table.NodeNames, []byte(node.Name), account[:])
	for _, k := range keys(node) {
		o.Put(table.NodeKeys, []byte(k), account[:])
	}
}

func release(o *table.Overlay, node *remora.Node) {
	o.Delete(table.NodeNames, []byte(node.Name))
	for _, k := range keys(node) {
		o.Delete(table.NodeKeys, []byte(k))
	}
}
