// Package table is the flat form of the state: numbered tables of byte keys and byte values. A View reads a state that does not
// change. An Overlay collects the changes of one block on top of a View and can undo those of a failed transaction. Memory is
// a View in maps.
package table

import "fmt"

// ID numbers a table. It is part of every key of the state tree: never renumber one.
type ID byte

// The tables of the state.
const (
	Accounts       ID = iota + 1 // address -> ledger.Account
	Stakes                       // account -> amount
	Money                        // "totals" -> ledger.Totals
	Nodes                        // account -> remora.Node
	NodeNames                    // name -> account
	NodeKeys                     // key or peer id of a node -> account
	Chain                        // "epoch" -> registry.Epoch, "term" -> registry.Term, "turn" -> payload.turn
	Beacon                       // "seed" -> remora.Seed, "pending" -> []beacon.Contribution
	Accepted                     // account, worker -> which of its batches were accepted: see state/payload
	Contents                     // root, 1 for a directory -> remora.ContentEntry
	Sessions                     // id -> remora.Session, "next" -> id
	SessionNumbers               // owner, number -> id of a session
	Grants                       // session, node -> remora.Grant
	Claims                       // node, epoch -> remora.Claim
	ClaimItems                   // node, epoch -> []remora.ClaimItem, until the claim is settled, rejected or slashed
	Deadlines                    // what is due when: see state/delivery
	Queues                       // account -> what waits in its queue of accepted batches
	Queued                       // account, place -> remora.BatchRef
	end
)

// names are for messages. No record contains them.
var names = [end]string{
	Accounts: "accounts", Stakes: "stakes", Money: "money", Nodes: "nodes", NodeNames: "node names", NodeKeys: "node keys",
	Chain: "chain", Beacon: "beacon", Accepted: "accepted batches", Contents: "contents", Sessions: "sessions",
	SessionNumbers: "session numbers", Grants: "grants", Claims: "claims", ClaimItems: "claim items", Deadlines: "deadlines",
	Queues: "queues", Queued: "queued batches",
}

// String returns the table's name.
func (t ID) String() string {
	if t < end && names[t] != "" {
		return names[t]
	}
	return fmt.Sprintf("table %d", byte(t))
}

// All returns the tables in the order of their numbers.
func All() []ID {
	ids := make([]ID, 0, end-1)
	for id := Accounts; id < end; id++ {
		ids = append(ids, id)
	}
	return ids
}

// View reads a state that does not change. Keys are never empty. Callers must not modify the slices that they get.
type View interface {
	// Get returns the value under key, nil when there is none. No stored value is nil; one may be empty.
	Get(t ID, key []byte) ([]byte, error)
	// Ascend visits the rows whose keys start with prefix in the order of their keys, until visit returns false.
	// Key and value are valid during the visit only.
	Ascend(t ID, prefix []byte, visit func(key, value []byte) bool) error
}

// Change sets the value under a key, or deletes the key when the value is nil.
type Change struct {
	Table ID
	Key   []byte
	Value []byte
}
