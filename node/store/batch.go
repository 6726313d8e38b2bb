package store

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/segment"
)

// AppendBatches stores batches and makes them durable with one sync. Batches that are already stored are not written
// again.
func (s *Store) AppendBatches(batches []remora.Batch) error {
	for _, b := range batches {
		r := segment.Record{
			Digest: b.Digest, Author: uint16(b.Author), Worker: uint16(b.Worker), Epoch: uint64(b.Epoch),
			Seq: b.Seq, Weight: uint64(b.Weight), Count: uint32(b.Count), Payload: b.Raw,
		}
		if _, err := s.batches.Append(r); err != nil {
			return fmt.Errorf("store batch %s: %w", b.Digest, err)
		}
	}
	if err := s.batches.Sync(); err != nil {
		return fmt.Errorf("sync batches: %w", err)
	}
	return nil
}

// SyncBatches makes all stored batches durable.
func (s *Store) SyncBatches() error { return s.batches.Sync() }

// HasBatch reports whether a batch is stored, durable or not.
func (s *Store) HasBatch(digest remora.Hash) bool { return s.batches.Has(digest) }

// Batch returns the bytes of a batch: ErrNotFound if it is not stored, ErrCorrupt if it is damaged. A damaged batch
// counts as absent afterwards.
func (s *Store) Batch(digest remora.Hash) ([]byte, error) {
	raw, err := s.batches.Get(digest)
	switch {
	case errors.Is(err, segment.ErrNotFound):
		return nil, fmt.Errorf("batch %s: %w", digest, remora.ErrNotFound)
	case errors.Is(err, segment.ErrCorrupt):
		return nil, fmt.Errorf("batch %s: %w: %v", digest, remora.ErrCorrupt, err)
	}
	return raw, err
}

// BatchRef returns the reference by which a header may list a stored batch, without reading the batch. The batch is durable
// when BatchRef returns: a vote that relies on it promises to produce the bytes.
func (s *Store) BatchRef(digest remora.Hash) (remora.BatchRef, error) {
	r, err := s.batches.Describe(digest)
	switch {
	case errors.Is(err, segment.ErrNotFound):
		return remora.BatchRef{}, fmt.Errorf("batch %s: %w", digest, remora.ErrNotFound)
	case err != nil:
		return remora.BatchRef{}, fmt.Errorf("batch %s: %w: %v", digest, remora.ErrCorrupt, err)
	}
	if err := s.batches.Sync(); err != nil {
		return remora.BatchRef{}, fmt.Errorf("sync batches: %w", err)
	}
	return remora.BatchRef{
		Digest: digest, Author: remora.Authority(r.Author), Worker: remora.Worker(r.Worker), Epoch: remora.Epoch(r.Epoch),
		Seq: r.Seq, Bytes: r.Size, Count: r.Count, Weight: remora.Weight(r.Weight),
	}, nil
}
