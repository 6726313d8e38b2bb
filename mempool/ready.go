package mempool

import "github.com/remora-network/remora"

// Ready is work for the shell. The order of the fields is binding: nothing of a later field may happen before all of
// an earlier one has. A shell that cannot persist must stop; it never sends what it failed to persist.
type Ready struct {
	Persist   []Record              // 1. durable before anything below, if Sync
	Sync      bool                  //    Persist holds anything but certificates of others
	Send      []Outgoing            // 2. after Persist
	Want      []Want                // 3. repeated by the core, to other authorities, while missing
	Delivered []*remora.Certificate // 4. causally complete, parents first: for consensus
	Events    []Event               // for logs and metrics
}

// Record is something to remember across a crash. Exactly one field is set.
type Record struct {
	Header      *remora.Header // own: Snapshot.Proposed of a restart
	Vote        *remora.Vote   // own, for a peer's header: the newest per author is in Snapshot.Votes
	Certificate *remora.Certificate
	Lost        bool         // Snapshot.Doubt is Lost until a Floor is recorded
	Floor       remora.Round // Snapshot.Floor; what was signed above it is recorded
}

// Outgoing is a message to one peer or to all. Exactly one of the pointers is set; the receiver does not change it.
type Outgoing struct {
	To          remora.Authority // unless Broadcast
	Broadcast   bool
	Header      *remora.Header
	Vote        *remora.Vote
	Certificate *remora.Certificate
}

// Want asks for certificates, for batches that From should have, or for the highest certificate that it has. Exactly one
// of the lists or Tip is set.
type Want struct {
	From    remora.Authority
	Round   remora.Round      // of Parents
	Parents []remora.Parent   // certificates to be brought by CertificateReceived
	Author  remora.Authority  // of the header that lists Batches
	Batches []remora.BatchRef // answered by BatchStored, at once for those that are stored already
	Tip     bool              // answered by TipReported
}

func (r *Ready) isEmpty() bool {
	return len(r.Persist) == 0 && len(r.Send) == 0 && len(r.Want) == 0 && len(r.Delivered) == 0 && len(r.Events) == 0
}

// addRecord adds a record; sync tells that a message below it must not overtake it.
func (r *Ready) addRecord(rec Record, sync bool) {
	r.Persist = append(r.Persist, rec)
	r.Sync = r.Sync || sync
}

func (r *Ready) addMessage(o Outgoing) { r.Send = append(r.Send, o) }

func (r *Ready) addEvent(e Event) { r.Events = append(r.Events, e) }
