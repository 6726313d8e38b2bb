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
// when it returns; an error means that nothing may leave the node any more.
func (s *Store) SaveDAG(records []mempool.Record, sync bool) error {
	batch := s.db.NewBatch()
	defer batch.Close()
	for _, r := range records {
		if err := s.putRecord(batch, r); err != nil {
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

func (s *Store) putRecord(batch db.Batch, r mempool.Record) error {
	switch {
	case r.Header != nil:
		return batch.Set([]byte{keyProposed}, remora.Encode(r.Header))
	case r.Vote != nil:
		return batch.Set(voteKey(r.Vote.Author), remora.Encode(r.Vote))
	case r.Lost:
		return batch.Set([]byte{keyFloor}, []byte{})
	case r.Floor > 0:
		return batch.Set([]byte{keyFloor}, u64(uint64(r.Floor)))
	}
	c := r.Certificate
	return batch.Set(vertexKey(c.Round(), c.Author()), s.values.encode(c))
}

// DAG is what a restart needs of the DAG.
type DAG struct {
	Certificates []*remora.Certificate // rounds ascending
	Proposed     *remora.Header        // nil when the node never proposed
	Votes        []remora.Vote
	Floor        remora.Round // all that was signed above it is in here, if Mark says Complete
	Mark         Mark
}

// Mark says whether a store has all that its authority signed.
type Mark byte

// The marks. A store without one is new, or was never the store of an authority.
const (
	Unmarked   Mark = iota
	Incomplete      // something was forgotten, and the authority has not rejoined since
	Complete        // from a floor on
)

// Signed returns the highest round that the store knows the authority to have signed in, 0 when it knows of none.
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

// BeginDAG records that all of what this authority signs from the first round on is in this store. Only a store of an
// authority that has never signed may begin so; it is durable when BeginDAG returns.
func (s *Store) BeginDAG() error {
	batch := s.db.NewBatch()
	defer batch.Close()
	err := batch.Set([]byte{keyFloor}, u64(0))
	if err == nil {
		err = batch.WriteSync()
	}
	if err != nil {
		return fmt.Errorf("begin the record of what is signed: %w", err)
	}
	return nil
}

// LoadDAG returns the accepted certificates above a round, the last own header, the newest vote per author and the floor.
func (s *Store) LoadDAG(chainID string, above remora.Round) (DAG, error) {
	var d DAG
	err := s.scan(vertexKey(above+1, 0), []byte{keyVertex + 1}, func(_, v []byte) error {
		c, err := remora.DecodeCertificate(chainID, v)
		d.Certificates = append(d.Certificates, c)
		return err
	})
	if err != nil {
		return d, fmt.Errorf("stored certificate: %w: %v", remora.ErrCorrupt, err)
	}
	err = s.scan([]byte{keyVote}, []byte{keyVote + 1}, func(_, b []byte) error {
		v, err := remora.DecodeVote(b)
		if err == nil {
			d.Votes = append(d.Votes, *v)
		}
		return err
	})
	if err != nil {
		return d, fmt.Errorf("stored vote: %w: %v", remora.ErrCorrupt, err)
	}
	v, err := s.get([]byte{keyProposed})
	if err != nil {
		return d, err
	}
	if v != nil {
		if d.Proposed, err = remora.DecodeHeader(chainID, v); err != nil {
			return d, fmt.Errorf("stored own header: %w: %v", remora.ErrCorrupt, err)
		}
	}
	d.Floor, d.Mark, err = s.floor()
	return d, err
}

// Complete reports whether the store has all that its authority signed above some round.
func (s *Store) Complete() (bool, error) {
	_, mark, err := s.floor()
	return mark == Complete, err
}

func (s *Store) floor() (remora.Round, Mark, error) {
	v, err := s.get([]byte{keyFloor})
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

// Certificate returns an accepted certificate by its place. ErrNotFound when it is not stored, or pruned.
func (s *Store) Certificate(chainID string, r remora.Round, a remora.Authority) (*remora.Certificate, error) {
	v, err := s.get(vertexKey(r, a))
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fmt.Errorf("certificate of round %d by authority %d: %w", r, a, remora.ErrNotFound)
	}
	c, err := remora.DecodeCertificate(chainID, v)
	if err != nil {
		return nil, fmt.Errorf("stored certificate: %w: %v", remora.ErrCorrupt, err)
	}
	return c, nil
}

// Tips returns, of the accepted certificates above a round, one of the highest round and the newest one of an author. Each
// is nil where there is none.
func (s *Store) Tips(chainID string, above remora.Round, author remora.Authority) (tip, own *remora.Certificate, err error) {
	var newest, authors []byte
	err = s.scan(vertexKey(above+1, 0), []byte{keyVertex + 1}, func(k, v []byte) error {
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
			*found.to, err = remora.DecodeCertificate(chainID, found.raw)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("stored certificates above round %d: %w", above, err)
	}
	return tip, own, nil
}

// PruneDAG deletes certificates up to and including a round.
func (s *Store) PruneDAG(upTo remora.Round) error {
	return s.db.DeleteRange([]byte{keyVertex}, vertexKey(upTo+1, 0))
}

// scan visits copies of the entries of [start, end) in order.
func (s *Store) scan(start, end []byte, visit func(k, v []byte) error) error {
	var refused error
	err := s.db.ascend(start, end, func(k, v []byte) bool {
		refused = visit(k, v)
		return refused == nil
	})
	if err != nil {
		return classify(err)
	}
	return refused
}
