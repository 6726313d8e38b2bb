package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/metrics"
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
		Round:    remora.Round(n.counts.round.Load()), Peers: len(n.host.Connected()), Synced: ready,
	}
}

// ready reports whether clients should use this node, and why not.
func (n *Node) ready() (bool, []string) {
	var reasons []string
	if h := n.counts.diverged.Load(); h != 0 {
		reasons = append(reasons, fmt.Sprintf("the state differs from the quorum's at block %d; this node stops", h))
	}
	if n.counts.catching.Load() {
		reasons = append(reasons, fmt.Sprintf("syncing certified blocks, at height %d", n.store.Height()))
	}
	if n.config.Observer != "" {
		reasons = append(reasons, "observes only and signs nothing, after equal crashes in a row: "+n.config.Observer)
	}
	switch mempool.Doubt(n.counts.doubt.Load()) {
	case mempool.Trusted:
	case mempool.Listening:
		reasons = append(reasons, "listening for headers of its own that it does not know, before it signs")
	case mempool.Lost:
		reasons = append(reasons, "does not know what it signed before: signs nothing until enough other validators have answered")
	}
	reasons = append(reasons, n.lonely()...)
	if n.content != nil && !n.counts.listed.Load() {
		reasons = append(reasons, "the registry does not have this node yet")
	}
	switch last := n.counts.lastBlock.Load(); {
	case last == 0:
		reasons = append(reasons, "no block executed since the start")
	case time.Since(time.UnixMilli(last)) > staleAfter:
		reasons = append(reasons, fmt.Sprintf("no new block for %s", time.Since(time.UnixMilli(last)).Round(time.Second)))
	}
	return len(reasons) == 0, reasons
}

// lonely says which connections are missing: a validator needs a quorum, a follower somebody.
func (n *Node) lonely() []string {
	connected := n.host.Connected()
	if n.authority == nil {
		if len(connected) == 0 {
			return []string{"connected to no validator"}
		}
		return nil
	}
	stake := n.committee.Stake(n.authority.self)
	for _, id := range connected {
		if a, member := n.committee.ByPeer(id); member {
			stake += n.committee.Stake(a)
		}
	}
	if stake < n.committee.Quorum() {
		return []string{fmt.Sprintf("connected to stake %s, a quorum is %s", stake, n.committee.Quorum())}
	}
	return nil
}

// held is a round up to which this node surely has what it needs of the DAG: it asks for nothing at or below it.
func (n *Node) held() remora.Round {
	round := remora.Round(n.counts.round.Load())
	return round - min(round, 3)
}

func (n *Node) figures() []metrics.Figure {
	return slices.Concat(n.protocolFigures(), n.timeFigures(), n.deliveryFigures())
}

// deliveryFigures tell what a cache earns by.
func (n *Node) deliveryFigures() []metrics.Figure {
	if n.content == nil || n.content.sold == nil {
		return nil
	}
	sold := n.content.sold
	return []metrics.Figure{
		{Name: "delivered_bytes_total", Help: "Bytes delivered in sessions.", Counter: true, Value: func() float64 { return float64(sold.Stats().Delivered) }},
		{Name: "acknowledged_bytes_total", Help: "Bytes that clients signed receipts for.", Counter: true, Value: func() float64 { return float64(sold.Stats().Acked) }},
		{Name: "deliveries_refused_total", Help: "Requests for deliveries that were refused.", Counter: true, Value: func() float64 { return float64(sold.Stats().Refused) }},
		{Name: "claims_opened_total", Help: "Claims opened.", Counter: true, Value: func() float64 { return float64(sold.Stats().Opened) }},
		{Name: "unclaimed_epochs", Help: "Epochs with receipts whose claim is not final.", Value: func() float64 { return float64(sold.Stats().Epochs) }},
	}
}

// timeFigures tell where the loops' time goes; a count beside each sum gives the mean.
func (n *Node) timeFigures() []metrics.Figure {
	var figures []metrics.Figure
	for _, f := range []struct {
		name, help string
		timing     *timing
	}{
		{"dag_write", "writes of headers, votes and certificates", &n.counts.dagWrites},
		{"batch_write", "synced writes of batches", &n.counts.batchWrites},
		{"execution", "executions of blocks with their synced write", &n.counts.executions},
	} {
		figures = append(
			figures,
			metrics.Figure{Name: f.name + "_seconds_total", Help: "Time of " + f.help + ".", Counter: true, Value: f.timing.seconds},
			metrics.Figure{Name: f.name + "s_total", Help: "Number of " + f.help + ".", Counter: true, Value: func() float64 {
				return float64(f.timing.count.Load())
			}},
		)
	}
	return figures
}

func (n *Node) protocolFigures() []metrics.Figure {
	traffic := func(pick func(sent, dropped, received uint64) uint64) func() float64 {
		return func() float64 {
			var total uint64
			for _, l := range n.host.Stats().Links {
				total += pick(l.Sent, l.Dropped, l.Received)
			}
			return float64(total)
		}
	}
	return []metrics.Figure{
		{Name: "height", Help: "Height of the newest executed block.", Value: func() float64 { return float64(n.store.Height()) }},
		{Name: "round", Help: "Round of the DAG that this validator works on.", Value: func() float64 { return float64(n.counts.round.Load()) }},
		{Name: "transactions_total", Help: "Transactions executed since the start.", Counter: true, Value: func() float64 { return float64(n.counts.executed.Load()) }},
		{Name: "headers_total", Help: "Own headers proposed.", Counter: true, Value: func() float64 { return float64(n.counts.proposed.Load()) }},
		{Name: "leader_timeouts_total", Help: "Own headers proposed without waiting longer for the leader.", Counter: true, Value: func() float64 { return float64(n.counts.timeouts.Load()) }},
		{Name: "batches_requeued_total", Help: "Own batches proposed again because their header was not ordered in time.", Counter: true, Value: func() float64 { return float64(n.counts.requeued.Load()) }},
		{Name: "peers", Help: "Validators connected in both directions.", Value: func() float64 { return float64(len(n.host.Connected())) }},
		{Name: "syncing", Help: "1 while certified blocks are synced.", Value: func() float64 {
			if n.counts.catching.Load() {
				return 1
			}
			return 0
		}},
		{Name: "frames_sent_total", Help: "Frames sent to validators.", Counter: true, Value: traffic(func(s, _, _ uint64) uint64 { return s })},
		{Name: "frames_dropped_total", Help: "Frames dropped because a peer's queue was full.", Counter: true, Value: traffic(func(_, d, _ uint64) uint64 { return d })},
		{Name: "frames_received_total", Help: "Frames received from validators.", Counter: true, Value: traffic(func(_, _, r uint64) uint64 { return r })},
	}
}
