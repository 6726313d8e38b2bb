package store

import (
	db "github.com/cometbft/cometbft-db"

	"github.com/remora-network/remora"
)

// CertifiedTo returns a height up to which every block has its certificate in this store.
func (s *Store) CertifiedTo() (remora.Height, error) {
	h, _, err := s.readNumber(metaKey(metaCertified))
	return remora.Height(h), err
}

// PutCertifiedTo raises CertifiedTo. It is written after the certificates, in the same log, and needs no sync: an older
// value only costs time.
func (s *Store) PutCertifiedTo(h remora.Height) error {
	if known, err := s.CertifiedTo(); err != nil || h <= known {
		return err
	}
	return s.putRow(metaKey(metaCertified), encodeUint64(uint64(h)), db.Batch.Write)
}
