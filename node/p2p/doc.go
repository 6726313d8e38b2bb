// Package p2p is the validators' network: framed messages over long-lived streams between peers that are known
// beforehand, and bounded requests with one answer each. It knows nothing of what the bytes mean.
//
// # Channels
//
// A channel is a named one-way stream of frames to one peer. Each outgoing (peer, channel) has a queue, bounded in
// frames and in bytes, and one goroutine that writes it. Send never blocks: a full queue refuses the newest frame and
// counts it, because a protocol that re-sends what matters recovers from a hole at the end of a sequence, but not from
// one in its middle that looks like delivery. Delivery is in order and at most once: whatever was written to a
// connection that then broke is gone. A queue outlives a short interruption; when the link has been down for longer
// than a second it is emptied, and refuses frames until the link is back, so that nobody who returns after an hour is
// fed an hour-old backlog.
//
// Incoming frames of one channel name, from all peers, leave through one Go channel of a few slots. Every peer has its
// own reader that holds at most one decoded frame and blocks on that Go channel. Blocked senders of a Go channel are served
// in the order in which they came, so a peer that floods gets one turn per round like everybody else. A slow consumer
// therefore stops the readers, the flow-control windows fill, and the frames pile up and are dropped in the sender's
// queue: the receiver drops nothing, and a flooder fills nobody's memory but its own.
//
// # Peers
//
// Only configured peers may open channels. Others (guests) may connect when Config.Guests allows it, and only ask requests.
// Identities are Ed25519 keys; the transport is TCP with noise and yamux.
package p2p
