package mempool

import "github.com/remora-network/remora"

// Ready is work for the shell, to be done in the order of its fields: each field is complete before the next begins. A
// shell that cannot persist must stop; it never sends what it failed to persist.
type Ready struct {
	Persist   []Record              // 1. durable before anything below, if Sync
	Sync      bool                  //    whether Persist holds anything but certificates of others
	Send      []Outgoing            // 2. after Persist
	Want      []Want                // 3. requests; the core repeats unanswered ones to other authorities
	Delivered []*remora.Certificate // 4. causally complete, parents first: for consensus
	Events    []Event               // for logs and metrics
}

// Record is state that must survive a crash. Exactly one field is set.
type Record struct {
	Header      *remora.Header // own: becomes Snapshot.Proposed
	Vote        *remora.Vote   // own, for a peer's header: the newest per author become Snapshot.Votes
	Certificate *remora.Certificate
	Lost        bool         // Snapshot.Doubt is Lost until a Floor is recorded
	Floor       remora.Round // becomes Snapshot.Floor; everything signed above it is recorded
}

// Outgoing is a message to one peer or to all. Exactly one of the pointers is set.
type Outgoing struct {
	To          remora.Authority // unless Broadcast
	Broadcast   bool
	Header      *remora.Header
	Vote        *remora.Vote
	Certificate *remora.Certificate
}

// Want is a request to From: for certificates, for batches, for which batches it holds, or for its highest certificate. Exactly
// one of Parents, Batches, Held and Tip is set.
type Want struct {
	From    remora.Authority
	Round   remora.Round      // of Parents, or of the header that lists Batches
	Parents []remora.Parent   // certificates, each answered by CertificateReceived
	Author  remora.Authority  // of the header that lists Batches
	Batches []remora.BatchRef // each answered by BatchStored, at once if it is stored already
	Held    []remora.Hash     // batches, answered by BatchesHeld
	Tip     bool              // answered by TipReported
}

func (r *Ready) isEmpty() bool {
	return len(r.Persist) == 0 && len(r.Send) == 0 && len(r.Want) == 0 && len(r.Delivered) == 0 && len(r.Events) == 0
}

// addRecord adds a record; with sync, it must be durable before any message leaves.
func (r *Ready) addRecord(rec Record, sync bool) {
	r.Persist = append(r.Persist, rec)
	r.Sync = r.Sync || sync
}

func (r *Ready) addMessage(o Outgoing) { r.Send = append(r.Send, o) }

func (r *Ready) addEvent(e Event) { r.Events = append(r.Events, e) }
