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

// signing keeps the record beside the consensus key ahead of every signature. The primary owns it.
type signing struct {
	path   string // empty: none is kept
	record keystore.Record
}

// coverRecords raises the record above the rounds of headers and votes that are about to be sent.
func (s *signing) coverRecords(records []mempool.Record) error {
	var newest remora.Round
	for _, r := range records {
		switch {
		case r.Header != nil:
			newest = max(newest, r.Header.Round)
		case r.Vote != nil:
			newest = max(newest, r.Vote.Round)
		}
	}
	if s.path == "" || newest == 0 || newest+signingAhead/2 <= s.record.Round {
		return nil
	}
	s.record.Round = newest + signingAhead
	return keystore.SaveRecord(s.path, s.record)
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

// openSigning compares the record beside the key with the store and returns how far the store can be trusted. A loss is
// recorded: it lasts over restarts, until the authority has rejoined.
func openSigning(c *Config) (*signing, mempool.Doubt, error) {
	dag, err := c.Store.LoadDAG(c.Committee.ChainID, math.MaxInt64)
	if err != nil {
		return nil, mempool.Lost, err
	}
	f := Findings{Mark: dag.Mark, Floor: dag.Floor, Signed: dag.Signed()}
	s := &signing{path: c.Signing}
	if f.Record, err = loadRecord(c, &f); err != nil {
		return nil, mempool.Lost, err
	}
	doubt := f.Doubt()
	switch {
	case doubt == mempool.Lost:
		c.Logger.Warn("what this validator signed before is not known: it asks the others before it signs",
			slog.String("record", s.path), slog.Uint64("signed", uint64(f.Signed)))
		err = c.Store.SaveDAG([]mempool.Record{{Lost: true}}, true)
	case f.Mark == store.Unmarked:
		err = c.Store.BeginDAG()
	}
	if err != nil {
		return nil, doubt, err
	}
	s.record = keystore.Record{
		Key: c.Keys.Consensus.Public(), Used: true, ChainID: c.Committee.ChainID, Genesis: c.Genesis.Hash(),
		Round: max(f.Signed, f.Floor),
	}
	if f.Record != nil {
		s.record.Round = max(s.record.Round, f.Record.Round)
	}
	if s.path != "" {
		err = keystore.SaveRecord(s.path, s.record)
	}
	return s, doubt, err
}

// loadRecord returns the record of this key on this chain, nil when there is none. Without a path the store alone
// counts.
func loadRecord(c *Config, f *Findings) (*keystore.Record, error) {
	if c.Signing == "" {
		return &keystore.Record{Used: f.Signed > 0 || f.Mark != store.Unmarked}, nil
	}
	r, err := keystore.LoadRecord(c.Signing)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	genesis := c.Genesis.Hash()
	if r.Key != c.Keys.Consensus.Public() || r.Used && (r.ChainID != c.Committee.ChainID || r.Genesis != genesis) {
		return nil, fmt.Errorf("%w: %q is of key %s on chain %q with genesis %s, this is key %s on chain %q with genesis %s",
			keystore.ErrRecord, c.Signing, r.Key, r.ChainID, r.Genesis, c.Keys.Consensus.Public(), c.Committee.ChainID, genesis)
	}
	return &r, nil
}
