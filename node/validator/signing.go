package validator

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/store"
)

// signingAhead is the number of rounds by which the record runs ahead of the newest signature, so that it is written seldom.
const signingAhead = 256

// Signing keeps a record beside the consensus key ahead of every signature. It belongs to the goroutine that owns the
// mempool core.
type Signing struct {
	record keystore.Record
	save   func(keystore.Record) error // durable when it returns
}

// CoverRecords raises the record above the rounds of headers and votes that are about to be sent.
func (s *Signing) CoverRecords(records []mempool.Record) error {
	var newest remora.Round
	for _, r := range records {
		switch {
		case r.Header != nil:
			newest = max(newest, r.Header.Round)
		case r.Vote != nil:
			newest = max(newest, r.Vote.Round)
		}
	}
	if newest == 0 || newest+signingAhead/2 <= s.record.Round {
		return nil
	}
	s.record.Round = newest + signingAhead
	return s.save(s.record)
}

// Findings is the evidence, at a start, of what the authority has signed.
type Findings struct {
	Record *keystore.Record // nil: there is none
	Mark   store.Mark
	Floor  remora.Round
	Signed remora.Round // highest round in the store; 0: none
}

// Doubt returns how far the store can be trusted to hold every signature. A store with signatures and no mark is of a version
// before marks and counts as complete. Soon after it was written a record is at most signingAhead rounds above the newest
// durable signature: at more than twice that the store is an older copy, or the validator crashed when it had just returned
// from a long absence.
func (f *Findings) Doubt() mempool.Doubt {
	switch {
	case f.Mark == store.Incomplete:
		return mempool.Lost
	case f.Record != nil && !f.Record.Used && f.Signed == 0 && f.Floor == 0:
		return mempool.Trusted
	case f.Mark == store.Unmarked && f.Signed == 0:
		return mempool.Lost
	case f.Record == nil && f.Mark == store.Unmarked:
		return mempool.Listening
	case f.Record == nil || !f.Record.Used:
		return mempool.Lost
	case max(f.Signed, f.Floor)+2*signingAhead < f.Record.Round:
		return mempool.Lost
	}
	return mempool.Listening
}

// OpenSigning compares the record of an identity, nil when there is none, with the store and returns how far the store
// can be trusted. A loss is recorded: it lasts over restarts, until the authority has rejoined. The new record is saved.
func OpenSigning(st *store.Store, d remora.Domain, found *keystore.Record, identity keystore.Record, save func(keystore.Record) error) (*Signing, mempool.Doubt, error) {
	dag, err := st.LoadDAG(d, math.MaxInt64)
	if err != nil {
		return nil, mempool.Lost, err
	}
	f := Findings{Record: found, Mark: dag.Mark, Floor: dag.Floor, Signed: dag.Signed()}
	doubt := f.Doubt()
	switch {
	case doubt == mempool.Lost:
		err = st.SaveDAG([]mempool.Record{{Lost: true}}, true)
	case f.Mark == store.Unmarked:
		err = st.BeginDAG()
	}
	if err != nil {
		return nil, doubt, err
	}
	identity.Used, identity.Round = true, max(f.Signed, f.Floor)
	if found != nil {
		identity.Round = max(identity.Round, found.Round)
	}
	return &Signing{record: identity, save: save}, doubt, save(identity)
}

// openRecord opens the signing of a validator with the record beside its key. Without a path no record is kept, and the
// store alone counts.
func openRecord(c *Config) (*Signing, mempool.Doubt, error) {
	identity := keystore.Record{Key: c.Keys.Consensus.Public(), ChainID: c.Genesis.ChainID, Genesis: c.Genesis.Hash()}
	found, err := c.findRecord(&identity)
	if err != nil {
		return nil, mempool.Lost, err
	}
	signing, doubt, err := OpenSigning(c.Store, c.Committee.Domain, found, identity, func(r keystore.Record) error {
		if c.Signing == "" {
			return nil
		}
		return keystore.SaveRecord(c.Signing, r)
	})
	if err == nil && doubt == mempool.Lost {
		c.Logger.Warn("what this validator signed before is not known: it asks the others before it signs", slog.String("record", c.Signing))
	}
	return signing, doubt, err
}

// findRecord returns the record of an identity, nil when there is none. Without a path it derives one from the store, used
// if the store holds a signature or a mark.
func (c *Config) findRecord(identity *keystore.Record) (*keystore.Record, error) {
	if c.Signing == "" {
		dag, err := c.Store.LoadDAG(c.Committee.Domain, math.MaxInt64)
		return &keystore.Record{Used: dag.Signed() > 0 || dag.Mark != store.Unmarked}, err
	}
	r, err := keystore.LoadRecord(c.Signing)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if r.Key != identity.Key || r.Used && (r.ChainID != identity.ChainID || r.Genesis != identity.Genesis) {
		return nil, fmt.Errorf("%w: %q is of key %s on chain %q with genesis %s, this is key %s on chain %q with genesis %s",
			keystore.ErrRecord, c.Signing, r.Key, r.ChainID, r.Genesis, identity.Key, identity.ChainID, identity.Genesis)
	}
	return &r, nil
}
