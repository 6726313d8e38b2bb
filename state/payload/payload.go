// Package payload decides what becomes of the batches that committed headers list.
//
// A reference is accepted once, in the block that orders it, if its batch was sealed in that block's epoch or the one before
// and its author has room. Accepted batches wait in the state, in a queue for each author's account. A block executes whole
// batches from these queues in turn, each account by its share of the stake, until the block's limit of weight: what finds no
// place waits for the next block. References alone decide, so that everybody knows before execution whose bytes a block needs.
//
//	s, err := payload.Load(view, params)
//	fate, err := s.AcceptSubDAG(committee, epoch, sub) // what is accepted, refused, expired
//	run, err := s.CutBlock(committee)                  // what the block executes, in order
//	s.Save(overlay)
//
// The same view and sub-DAG give the same result everywhere. What waits for one account delays no other account's share.
package payload

import (
	"bytes"
	"maps"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// maxRecord bounds an encoded record of this package.
const maxRecord = 1024

var turnKey = []byte("turn")

// turn says where the next block continues.
type turn struct {
	_       struct{} `cbor:",toarray"`
	Account remora.Address
	Granted bool // the account has its share of this turn already
}

// Schedule holds the queues of a state with the changes of one block. It belongs to one caller.
type Schedule struct {
	view    table.View
	params  *remora.Params
	queues  []*queue           // by account
	windows map[string]*window // that this block reads, by the key of their row
	turn    turn               // zero: no block left anything
	before  turn               // as stored
}

// Load reads the queues of a state.
func Load(v table.View, p *remora.Params) (*Schedule, error) {
	s := &Schedule{view: v, params: p, windows: make(map[string]*window)}
	err := table.Visit(v, table.Queues, nil, maxRecord, func(key []byte, r queueRecord) bool {
		s.queues = append(s.queues, &queue{view: v, account: remora.Address(key), queueRecord: r, before: r})
		return true
	})
	if err != nil {
		return nil, err
	}
	_, err = table.Load(v, table.Chain, turnKey, maxRecord, &s.before)
	s.turn = s.before
	return s, err
}

// queueOf returns the queue of an account.
func (s *Schedule) queueOf(account remora.Address) *queue {
	at, found := slices.BinarySearchFunc(s.queues, account, func(q *queue, a remora.Address) int {
		return bytes.Compare(q.account[:], a[:])
	})
	if !found {
		s.queues = slices.Insert(s.queues, at, &queue{view: s.view, account: account})
	}
	return s.queues[at]
}

// Save writes the changes.
func (s *Schedule) Save(o *table.Overlay) {
	for _, q := range s.queues {
		q.save(o)
	}
	for _, key := range slices.Sorted(maps.Keys(s.windows)) {
		s.windows[key].save(o, []byte(key))
	}
	switch s.turn {
	case s.before:
	case turn{}:
		o.Delete(table.Chain, turnKey)
	default:
		o.Put(table.Chain, turnKey, remora.Encode(s.turn))
	}
}

// Waits reports whether accepted batches wait for execution.
func Waits(v table.View) (bool, error) {
	waits := false
	err := v.Ascend(table.Queues, nil, func(_, _ []byte) bool {
		waits = true
		return false
	})
	return waits, err
}

// Waiting returns the accepted batches that wait for execution, by account and age.
func Waiting(v table.View) ([]remora.BatchRef, error) {
	var refs []remora.BatchRef
	err := table.Visit(v, table.Queued, nil, maxRecord, func(_ []byte, r remora.BatchRef) bool {
		refs = append(refs, r)
		return true
	})
	return refs, err
}
