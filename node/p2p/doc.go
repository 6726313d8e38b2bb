// Package p2p is the validators' network: framed messages over long-lived streams between configured peers, and bounded
// requests with one answer each. It does not interpret the bytes.
//
// # Usage
//
// [New] checks a [Config] and binds the listen addresses; [Host.Run] then connects, serves and delivers until its context
// ends. [Host.Send] queues frames, [Host.Receive] delivers those of all peers, [Host.Request] asks one peer; the example
// shows all of them. The methods may be called from any goroutine. All nodes of a network need the same channel names
// and limits.
//
// # Channels
//
// A channel is a named one-way stream of frames to one peer. Each outgoing (peer, channel) has a queue, bounded in
// frames and in bytes, and one goroutine that writes it. Send never blocks: a full queue refuses the newest frame and
// counts it. (A protocol that re-sends recovers from a gap at the end of a sequence; a gap in the middle would look like
// delivery.) Delivery is in order and at most once: frames written to a connection that then broke are lost. A queue
// outlives a short interruption. When the link has been down for longer than a second, the queue is emptied and refuses
// frames until the link is back, so that a peer that returns after an hour does not receive an hour-old backlog.
//
// Incoming frames of one channel name wait in a queue for each peer, bounded in frames and bytes, and leave in turn through
// one Go channel: each peer with something waiting is served once before any is served again. A channel may have a rate, and
// a consumer may hold a peer ([Host.Hold]); a peer over its rate, or held, is passed over. A slow consumer, or one that holds
// a peer, therefore fills that peer's queue, its reader stops, the flow-control window fills, and frames pile up and are
// dropped in the sender's queue: the receiver drops nothing, and a flooder fills only its own memory.
//
// # Peers
//
// A peer is a member (configured), registered ([Host.Register]) or a guest. Only members may open channels; the others are
// limited to requests, registered ones may be dialled. Each class has its own places for connections, slots for requests and
// places for questions that wait ([Await]), so that guests never use up what registered nodes need. In a full room the
// longest idle connection gives way, then one of the address that has the most. Guests are also bounded by address, in
// connections, requests and their rates, and leave after half a minute without a request. Every limit that is hit is told to
// Config.Hits. Identities are Ed25519 keys, compared by their bytes; the transport is TCP with noise and yamux.
package p2p
