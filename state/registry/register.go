package registry

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
	"github.com/remora-network/remora/state/verdict"
)

// Register stores an account's node in place of the one that it registered before. It returns a Rejection when the record
// breaks a limit, when another account has its name or one of its keys, or when a proof of possession is wrong. The proofs
// are checked last, since they cost most, and only for keys that are new to the account's node.
func Register(o *table.Overlay, v verdict.Verifier, account remora.Address, node *remora.Node) error {
	if err := checkNode(node); err != nil {
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
		releaseNames(o, &old)
	}
	enterNode(o, account, node)
	return nil
}

func checkNode(node *remora.Node) error {
	if err := node.Check(); err != nil {
		return remora.Reject(remora.CodeInvalidNode, "%v", err)
	}
	seen := make(map[string]bool, 4)
	for _, k := range uniqueKeys(node) {
		if seen[k] {
			return remora.Reject(remora.CodeInvalidNode, "the node uses one key for two purposes: make a key for each")
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
		return remora.Reject(remora.CodeNameTaken, "the name %q is taken by account %s: choose another", node.Name, holder)
	}
	for _, k := range uniqueKeys(node) {
		holder, taken, err := ByKey(v, k)
		if err != nil {
			return err
		}
		if taken && holder != account {
			return remora.Reject(remora.CodeNodeExists, "account %s has registered a node with one of these keys or this peer id", holder)
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

// uniqueKeys returns the keys and the peer id of a node, which no two nodes share.
func uniqueKeys(n *remora.Node) []string {
	return []string{string(n.Consensus[:]), string(n.Beacon[:]), string(n.Header[:]), n.PeerID}
}

func enterNode(o *table.Overlay, account remora.Address, node *remora.Node) {
	o.Put(table.Nodes, account[:], remora.Encode(node))
	o.Put(table.NodeNames, []byte(node.Name), account[:])
	for _, k := range uniqueKeys(node) {
		o.Put(table.NodeKeys, []byte(k), account[:])
	}
}

func releaseNames(o *table.Overlay, node *remora.Node) {
	o.Delete(table.NodeNames, []byte(node.Name))
	for _, k := range uniqueKeys(node) {
		o.Delete(table.NodeKeys, []byte(k))
	}
}
