package store

import (
	"encoding/binary"

	"github.com/remora-network/remora"
)

// CertifiedTo returns a height up to which every block surely has its certificate here.
func (s *Store) CertifiedTo() (remora.Height, error) {
	v, err := s.get(metaKey(metaCertified))
	if err != nil || len(v) != 8 {
		return 0, err
	}
	return remora.Height(binary.BigEndian.Uint64(v)), nil
}

// PutCertifiedTo raises CertifiedTo, behind the certificates in the same log. It needs no sync: an older value only costs
// time.
func (s *Store) PutCertifiedTo(h remora.Height) error {
	if known, err := s.CertifiedTo(); err != nil || h <= known {
		return err
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := batch.Set(metaKey(metaCertified), u64(uint64(h))); err != nil {
		return err
	}
	return batch.Write()
}
