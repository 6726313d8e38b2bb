package store

import (
	"encoding/binary"
	"fmt"

	db "github.com/cometbft/cometbft-db"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// TxPlace is the place where a signed transaction was executed: the block, and the position among its results.
type TxPlace struct {
	Height   remora.Height
	Position uint32
}

// Commit holds everything that one executed block writes.
type Commit struct {
	Block       *remora.Block
	Changes     []table.Change
	Signed      map[remora.Hash]uint32   // hashes of signed transactions and their positions
	Certificate *remora.BlockCertificate // nil unless the block was received with it
}

// Init writes the genesis state as height 0. It is called once per store.
func (s *Store) Init(genesis remora.Hash, changes []table.Change) error {
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := putChanges(batch, changes); err != nil {
		return err
	}
	if err := batch.Set(metaKey(metaGenesis), genesis[:]); err != nil {
		return err
	}
	if err := batch.Set(metaKey(metaHeight), encodeUint64(0)); err != nil {
		return err
	}
	return batch.WriteSync()
}

// Genesis returns the hash of the genesis that the store was initialised with, and whether it was initialised.
func (s *Store) Genesis() (remora.Hash, bool, error) {
	v, err := s.readValue(metaKey(metaGenesis))
	if err != nil || v == nil {
		return remora.Hash{}, false, err
	}
	if len(v) != remora.HashSize {
		return remora.Hash{}, false, fmt.Errorf("%w: genesis hash of %d bytes", remora.ErrCorrupt, len(v))
	}
	return remora.Hash(v), true, nil
}

func (s *Store) loadHeight() error {
	v, err := s.readValue(metaKey(metaHeight))
	if err != nil || v == nil {
		return err
	}
	if len(v) != 8 {
		return fmt.Errorf("%w: height of %d bytes", remora.ErrCorrupt, len(v))
	}
	s.height = remora.Height(binary.BigEndian.Uint64(v))
	s.staged = s.height
	return nil
}

// Height returns the height of the newest committed block, 0 if there is none.
func (s *Store) Height() remora.Height {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.height
}

// Commit writes a block, its changes and the cursor in one atomic write. The block, and every block staged before, is
// durable when Commit returns.
func (s *Store) Commit(c Commit) error {
	h := c.Block.Header.Height
	// The engine may have read a batch that another goroutine has appended and not synced yet.
	if err := s.batches.Sync(); err != nil {
		return fmt.Errorf("commit of block %d: sync batches: %w", h, err)
	}
	if err := s.writeBlock(c, db.Batch.WriteSync); err != nil {
		return err
	}
	s.mu.Lock()
	s.height = h
	s.mu.Unlock()
	return nil
}

// Stage writes a block as Commit does, but without a sync, so that the next one can be executed. Its batches must be
// durable already. With the next Commit the block counts for Height and is durable; a crash before that keeps a prefix
// of the staged blocks, possibly none.
func (s *Store) Stage(c Commit) error { return s.writeBlock(c, db.Batch.Write) }

func (s *Store) writeBlock(c Commit, write func(db.Batch) error) error {
	h := c.Block.Header.Height
	if want := s.staged + 1; h != want {
		return fmt.Errorf("commit of block %d: the next one is %d", h, want)
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := putBlock(batch, c); err != nil {
		return fmt.Errorf("commit of block %d: %w", h, err)
	}
	if err := write(batch); err != nil {
		return fmt.Errorf("commit of block %d: %w", h, err)
	}
	s.staged = h
	return nil
}

func putBlock(batch db.Batch, c Commit) error {
	h := c.Block.Header.Height
	if err := putChanges(batch, c.Changes); err != nil {
		return err
	}
	for _, digest := range c.Block.Batches {
		if err := batch.Set(hashKey(keyBatch, digest), encodeUint64(uint64(h))); err != nil {
			return err
		}
	}
	for hash, position := range c.Signed {
		if err := batch.Set(hashKey(keyTx, hash), binary.BigEndian.AppendUint32(encodeUint64(uint64(h)), position)); err != nil {
			return err
		}
	}
	if err := batch.Set(heightKey(keyBlock, h), remora.Encode(c.Block)); err != nil {
		return err
	}
	if c.Certificate != nil {
		if err := batch.Set(heightKey(keyCertificate, h), remora.Encode(c.Certificate)); err != nil {
			return err
		}
	}
	return batch.Set(metaKey(metaHeight), encodeUint64(uint64(h)))
}

func putChanges(batch db.Batch, changes []table.Change) error {
	for _, c := range changes {
		var err error
		if c.Value == nil {
			err = batch.Delete(stateKey(c.Table, c.Key))
		} else {
			err = batch.Set(stateKey(c.Table, c.Key), c.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Block returns a block without the bytes of its batches, ErrNotFound if there is none at that height.
func (s *Store) Block(h remora.Height) (*remora.Block, error) {
	v, err := s.readValue(heightKey(keyBlock, h))
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fmt.Errorf("block %d: %w: the newest is %d", h, remora.ErrNotFound, s.Height())
	}
	b, err := remora.DecodeBlock(v, remora.MaxBlockBytes)
	if err != nil {
		return nil, fmt.Errorf("block %d: %w: %v", h, remora.ErrCorrupt, err)
	}
	return b, nil
}

// PutBlockCertificate stores a verified block certificate, without a sync: it can be formed or fetched again.
func (s *Store) PutBlockCertificate(c *remora.BlockCertificate) error {
	return s.putRow(heightKey(keyCertificate, c.Height), remora.Encode(c), db.Batch.Write)
}

// BlockCertificate returns the certificate of a block, nil if it is not stored.
func (s *Store) BlockCertificate(h remora.Height) (*remora.BlockCertificate, error) {
	v, err := s.readValue(heightKey(keyCertificate, h))
	if err != nil || v == nil {
		return nil, err
	}
	c := new(remora.BlockCertificate)
	if err := remora.Decode(v, remora.MaxCertificateBytes, c); err != nil {
		return nil, fmt.Errorf("certificate of block %d: %w: %v", h, remora.ErrCorrupt, err)
	}
	return c, nil
}

// CertifiedBlock returns a block with the bytes of its batches and its certificate, which is nil if it is not stored.
func (s *Store) CertifiedBlock(h remora.Height) (*remora.CertifiedBlock, error) {
	block, err := s.Block(h)
	if err != nil {
		return nil, err
	}
	certificate, err := s.BlockCertificate(h)
	if err != nil {
		return nil, err
	}
	cb := &remora.CertifiedBlock{Block: *block, Batches: make([][]byte, len(block.Batches)), Certificate: certificate}
	for i, digest := range block.Batches {
		if cb.Batches[i], err = s.Batch(digest); err != nil {
			return nil, fmt.Errorf("block %d: %w", h, err)
		}
	}
	return cb, nil
}

// BatchHeight returns the height of the block that executed a batch, and whether one did.
func (s *Store) BatchHeight(digest remora.Hash) (remora.Height, bool, error) {
	h, executed, err := s.readNumber(hashKey(keyBatch, digest))
	return remora.Height(h), executed, err
}

// Tx returns the place where a signed transaction was executed, ErrNotFound if there is none. A transaction may be in
// several batches; the caller of Commit passes the place that counts in Commit.Signed.
func (s *Store) Tx(hash remora.Hash) (TxPlace, error) {
	v, err := s.readValue(hashKey(keyTx, hash))
	if err != nil {
		return TxPlace{}, err
	}
	if len(v) != 12 {
		return TxPlace{}, fmt.Errorf("transaction %s: %w: not executed, or opaque", hash, remora.ErrNotFound)
	}
	return TxPlace{Height: remora.Height(binary.BigEndian.Uint64(v)), Position: binary.BigEndian.Uint32(v[8:])}, nil
}
