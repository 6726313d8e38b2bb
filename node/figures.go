package node

import "github.com/remora-network/remora/node/metrics"

// timeFigures tell where the loops' time goes; a count beside each sum gives the mean.
func (n *Node) timeFigures() []metrics.Figure {
	var figures []metrics.Figure
	for _, f := range []struct {
		name, help string
		timing     *metrics.Timing
	}{
		{"dag_write", "writes of headers, votes and certificates", &n.counts.DAGWrites},
		{"batch_write", "synced writes of batches", &n.counts.BatchWrites},
		{"execution", "executions of blocks with their synced write", &n.counts.Executions},
	} {
		figures = append(
			figures,
			metrics.Figure{Name: f.name + "_seconds_total", Help: "Time of " + f.help + ".", Counter: true, Value: f.timing.Seconds},
			metrics.Figure{Name: f.name + "s_total", Help: "Number of " + f.help + ".", Counter: true, Value: func() float64 {
				return float64(f.timing.Count())
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
		{Name: "round", Help: "Round of the DAG that this validator works on.", Value: func() float64 { return float64(n.counts.Round.Load()) }},
		{Name: "transactions_total", Help: "Transactions executed since the start.", Counter: true, Value: func() float64 { return float64(n.counts.Executed.Load()) }},
		{Name: "headers_total", Help: "Own headers proposed.", Counter: true, Value: func() float64 { return float64(n.counts.Proposed.Load()) }},
		{Name: "leader_timeouts_total", Help: "Own headers proposed without waiting longer for the leader.", Counter: true, Value: func() float64 { return float64(n.counts.Timeouts.Load()) }},
		{Name: "batches_requeued_total", Help: "Own batches proposed again because their header was not ordered in time.", Counter: true, Value: func() float64 { return float64(n.counts.Requeued.Load()) }},
		{Name: "peers", Help: "Validators connected in both directions.", Value: func() float64 { return float64(len(n.host.Connected())) }},
		{Name: "syncing", Help: "1 while certified blocks are synced.", Value: func() float64 {
			if n.counts.Catching.Load() {
				return 1
			}
			return 0
		}},
		{Name: "frames_sent_total", Help: "Frames sent to validators.", Counter: true, Value: traffic(func(s, _, _ uint64) uint64 { return s })},
		{Name: "frames_dropped_total", Help: "Frames dropped because a peer's queue was full.", Counter: true, Value: traffic(func(_, d, _ uint64) uint64 { return d })},
		{Name: "frames_received_total", Help: "Frames received from validators.", Counter: true, Value: traffic(func(_, _, r uint64) uint64 { return r })},
	}
}
