package store

import (
	"encoding/binary"

	db "github.com/cometbft/cometbft-db"

	"github.com/remora-network/remora"
)

// CertifiedTo returns a height up to which every block has its certificate in this store.
func (s *Store) CertifiedTo() (remora.Height, error) {
	v, err := s.readValue(metaKey(metaCertified))
	if err != nil || len(v) != 8 {
		return 0, err
	}
	return remora.Height(binary.BigEndian.Uint64(v)), nil
}

// PutCertifiedTo raises CertifiedTo. It is written after the certificates, in the same log, and needs no sync: an older
// value only costs time.
func (s *Store) PutCertifiedTo(h remora.Height) error {
	if known, err := s.CertifiedTo(); err != nil || h <= known {
		return err
	}
	return s.putRow(metaKey(metaCertified), encodeUint64(uint64(h)), db.Batch.Write)
}
