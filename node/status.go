package node

import (
	"fmt"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/rpc"
)

// staleAfter is how old the newest block may be before a node says that it is not ready. An idle chain makes a block a
// second.
const staleAfter = 15 * time.Second

// status answers for this node; what follows from the view is the server's to add.
func (n *Node) status() rpc.Status {
	ready, _ := n.ready()
	return rpc.Status{
		Name: n.config.Name, Roles: n.config.Roles, Version: n.config.Version,
		Observer: n.config.Observer,
		Round:    remora.Round(n.counts.Round.Load()), Peers: len(n.host.Connected()), Synced: ready,
	}
}

// ready reports whether clients should use this node, and why not.
func (n *Node) ready() (bool, []string) {
	var reasons []string
	if h := n.counts.Diverged.Load(); h != 0 {
		reasons = append(reasons, fmt.Sprintf("the state differs from the quorum's at block %d; this node stops", h))
	}
	for _, r := range n.roles {
		reasons = append(reasons, r.Unready()...)
	}
	reasons = append(reasons, n.drift.Unready()...)
	switch last := n.counts.LastBlock.Load(); {
	case last == 0:
		reasons = append(reasons, "no block executed since the start")
	case time.Since(time.UnixMilli(last)) > staleAfter:
		reasons = append(reasons, fmt.Sprintf("no new block for %s", time.Since(time.UnixMilli(last)).Round(time.Second)))
	}
	return len(reasons) == 0, reasons
}
