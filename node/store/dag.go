package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	db "github.com/cometbft/cometbft-db"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
)

// SaveDAG writes records of the mempool core in one batch. With sync they, and everything written before, are durable
// when it returns. After an error the node must not send anything that depends on them.
func (s *Store) SaveDAG(records []mempool.Record, sync bool) error {
	batch := s.db.NewBatch()
	defer batch.Close()
	for _, r := range records {
		if err := s.putDAGRecord(batch, r); err != nil {
			return fmt.Errorf("save DAG record: %w", err)
		}
	}
	write := batch.Write
	if sync {
		write = batch.WriteSync
	}
	if err := write(); err != nil {
		return fmt.Errorf("save %d DAG records: %w", len(records), err)
	}
	return nil
}

func (s *Store) putDAGRecord(batch db.Batch, r mempool.Record) error {
	switch {
	case r.Header != nil:
		return batch.Set([]byte{keyProposed}, remora.Encode(r.Header))
	case r.Vote != nil:
		return batch.Set(voteKey(r.Vote.Author), remora.Encode(r.Vote))
	case r.Lost:
		return batch.Set([]byte{keyFloor}, []byte{})
	case r.Floor > 0:
		return batch.Set([]byte{keyFloor}, encodeUint64(uint64(r.Floor)))
	}
	c := r.Certificate
	return batch.Set(vertexKey(c.Round(), c.Author()), s.values.encodeCertificate(c))
}

// DAG holds the DAG records from which a restart rebuilds the mempool core.
type DAG struct {
	Certificates []*remora.Certificate // rounds ascending
	Proposed     *remora.Header        // nil when the node never proposed
	Votes        []remora.Vote
	Floor        remora.Round // with Mark Complete: everything signed above this round is stored
	Mark         Mark
}

// Mark says whether a store holds everything that its authority signed.
type Mark byte

// The marks. A store without one is new or belongs to no authority.
const (
	Unmarked   Mark = iota
	Incomplete      // records were lost, and the authority has not rejoined since
	Complete        // above the floor
)

// Signed returns the highest round in which the stored records show a signature of the authority, 0 if there is none.
func (d *DAG) Signed() remora.Round {
	var newest remora.Round
	if d.Proposed != nil {
		newest = d.Proposed.Round
	}
	for _, v := range d.Votes {
		newest = max(newest, v.Round)
	}
	return newest
}

// BeginDAG records that this store will hold everything that its authority signs, from the first round on. Only an
// authority that has never signed may call it. The record is durable when BeginDAG returns.
func (s *Store) BeginDAG() error {
	if err := s.putRow([]byte{keyFloor}, encodeUint64(0), db.Batch.WriteSync); err != nil {
		return fmt.Errorf("begin the record of what is signed: %w", err)
	}
	return nil
}

// LoadDAG returns the accepted certificates above a round, the newest own header, the newest vote per author and the
// floor.
func (s *Store) LoadDAG(domain remora.Domain, above remora.Round) (DAG, error) {
	var d DAG
	err := s.scanRange(vertexKey(above+1, 0), []byte{keyVertex + 1}, func(_, v []byte) error {
		c, err := remora.DecodeCertificate(domain, v)
		d.Certificates = append(d.Certificates, c)
		return err
	})
	if err != nil {
		return d, fmt.Errorf("stored certificate: %w: %v", remora.ErrCorrupt, err)
	}
	err = s.scanRange([]byte{keyVote}, []byte{keyVote + 1}, func(_, b []byte) error {
		v, err := remora.DecodeVote(b)
		if err == nil {
			d.Votes = append(d.Votes, *v)
		}
		return err
	})
	if err != nil {
		return d, fmt.Errorf("stored vote: %w: %v", remora.ErrCorrupt, err)
	}
	v, err := s.readValue([]byte{keyProposed})
	if err != nil {
		return d, err
	}
	if v != nil {
		if d.Proposed, err = remora.DecodeHeader(domain, v); err != nil {
			return d, fmt.Errorf("stored own header: %w: %v", remora.ErrCorrupt, err)
		}
	}
	d.Floor, d.Mark, err = s.loadFloor()
	return d, err
}

// Complete reports whether the store holds everything that its authority signed above its floor.
func (s *Store) Complete() (bool, error) {
	_, mark, err := s.loadFloor()
	return mark == Complete, err
}

func (s *Store) loadFloor() (remora.Round, Mark, error) {
	v, err := s.readValue([]byte{keyFloor})
	switch {
	case err != nil || v == nil:
		return 0, Unmarked, err
	case len(v) == 0:
		return 0, Incomplete, nil
	case len(v) != 8:
		return 0, Incomplete, fmt.Errorf("stored floor: %w: %d bytes", remora.ErrCorrupt, len(v))
	}
	return remora.Round(binary.BigEndian.Uint64(v)), Complete, nil
}

// Certificate returns the accepted certificate of an author in a round, ErrNotFound if it is not stored or was pruned.
func (s *Store) Certificate(domain remora.Domain, r remora.Round, a remora.Authority) (*remora.Certificate, error) {
	v, err := s.readValue(vertexKey(r, a))
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fmt.Errorf("certificate of round %d by authority %d: %w", r, a, remora.ErrNotFound)
	}
	c, err := remora.DecodeCertificate(domain, v)
	if err != nil {
		return nil, fmt.Errorf("stored certificate: %w: %v", remora.ErrCorrupt, err)
	}
	return c, nil
}

// Tips returns two of the accepted certificates above a round: one of the highest round, and the newest one of an
// author. Each is nil if there is none.
func (s *Store) Tips(domain remora.Domain, above remora.Round, author remora.Authority) (tip, own *remora.Certificate, err error) {
	var newest, authors []byte
	err = s.scanRange(vertexKey(above+1, 0), []byte{keyVertex + 1}, func(k, v []byte) error {
		if newest = v; bytes.Equal(k[9:], vertexKey(0, author)[9:]) {
			authors = v
		}
		return nil
	})
	for _, found := range []struct {
		raw []byte
		to  **remora.Certificate
	}{{newest, &tip}, {authors, &own}} {
		if err == nil && found.raw != nil {
			*found.to, err = remora.DecodeCertificate(domain, found.raw)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("stored certificates above round %d: %w", above, err)
	}
	return tip, own, nil
}

// PruneDAG deletes the certificates up to and including a round.
func (s *Store) PruneDAG(upTo remora.Round) error {
	return s.db.DeleteRange([]byte{keyVertex}, vertexKey(upTo+1, 0))
}

// scanRange visits copies of the entries of [start, end) in order of their keys.
func (s *Store) scanRange(start, end []byte, visit func(k, v []byte) error) error {
	var refused error
	err := s.db.ascendRows(start, end, func(k, v []byte) bool {
		refused = visit(k, v)
		return refused == nil
	})
	if err != nil {
		return markCorruption(err)
	}
	return refused
}
