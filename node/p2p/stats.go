package p2p

import (
	"cmp"
	"slices"
)

// LinkStats counts one channel with one peer since the host was built.
type LinkStats struct {
	Peer, Channel string
	Sent          uint64 // frames written to the connection
	Received      uint64 // frames read from the connection
	BytesSent     uint64
	BytesReceived uint64
	Dropped       uint64 // frames refused by our queue, or discarded from it
	Rejected      uint64 // streams closed because the peer broke the framing
	Queued        int    // frames waiting now
	QueuedBytes   int
}

// Stats holds the host's counters since it was built.
type Stats struct {
	Links   []LinkStats // by peer, then channel
	Refused uint64      // channel streams, and connections beyond the guests allowed, of peers that are not configured
	Served  uint64      // requests answered
	Failed  uint64      // requests refused or answered with an error
}

// Stats returns the counters.
func (h *Host) Stats() Stats {
	st := Stats{Refused: h.refused.Load(), Served: h.served.Load(), Failed: h.failed.Load()}
	for _, r := range h.remotes {
		for i, s := range r.senders {
			in := r.readers[i]
			frames, bytes := s.queue.pendingSize()
			st.Links = append(st.Links, LinkStats{
				Peer: r.name, Channel: s.channel.Name,
				Sent: s.sent.Load(), BytesSent: s.bytes.Load(), Dropped: s.dropped.Load(),
				Received: in.received.Load(), BytesReceived: in.bytes.Load(), Rejected: in.rejected.Load(),
				Queued: frames, QueuedBytes: bytes,
			})
		}
	}
	slices.SortFunc(st.Links, func(a, b LinkStats) int {
		return cmp.Or(cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Channel, b.Channel))
	})
	return st
}
