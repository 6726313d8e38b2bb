package node

import (
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/metrics"
)

// hitSeries counts the hits of limits by limit and by who hit it.
func hitSeries(hits *limits.Hits) metrics.Series {
	return metrics.Series{
		Name: "limit_hits_total", Help: "Refusals because of a limit.", Labels: []string{"limit", "who"},
		Values: func(add func(value float64, labels ...string)) {
			for _, h := range hits.All() {
				add(float64(h.Total), h.Limit, h.Who)
			}
		},
	}
}

// partFigures tell of the parts that every node has: store and network host.
func (n *Node) partFigures() []metrics.Figure {
	traffic := func(pick func(sent, dropped, received uint64) uint64) func() float64 {
		return func() float64 {
			var total uint64
			for _, l := range n.host.Stats().Links {
				total += pick(l.Sent, l.Dropped, l.Received)
			}
			return float64(total)
		}
	}
	height := func() float64 { return float64(n.store.Height()) }
	connected := func() float64 { return float64(len(n.host.Connected())) }
	sent := traffic(func(s, _, _ uint64) uint64 { return s })
	dropped := traffic(func(_, d, _ uint64) uint64 { return d })
	received := traffic(func(_, _, r uint64) uint64 { return r })
	return []metrics.Figure{
		{Name: "height", Help: "Height of the newest executed block.", Value: height},
		{Name: "block_time_ahead_seconds", Help: "Time of the newest block minus the wall clock when it came.", Value: n.drift.seconds},
		{Name: "peers", Help: "Validators connected in both directions.", Value: connected},
		{Name: "frames_sent_total", Help: "Frames sent to validators.", Counter: true, Value: sent},
		{Name: "frames_dropped_total", Help: "Frames dropped because a peer's queue was full.", Counter: true, Value: dropped},
		{Name: "frames_received_total", Help: "Frames received from validators.", Counter: true, Value: received},
	}
}
