package delivery

import (
	"errors"

	"github.com/remora-network/remora"
)

// load reads what the journal keeps: once, when the service is built.
func (s *Service) load() error {
	value, err := s.c.Journal.Get([]byte{rowOpen})
	if err != nil {
		return err
	}
	if value != nil {
		if s.open, err = decodeOpen(value); err != nil {
			return err
		}
	}
	return errors.Join(s.visit(rowReceipt, s.loadReceipt), s.visit(rowExtent, s.loadExtent), s.visit(rowPlan, s.loadPlan))
}

// visit calls f with all rows of a kind until it fails.
func (s *Service) visit(kind byte, f func(key, value []byte) error) error {
	var failed error
	err := s.c.Journal.Ascend([]byte{kind}, func(key, value []byte) bool {
		failed = f(key, value)
		return failed == nil
	})
	return errors.Join(err, failed)
}

func (s *Service) loadReceipt(key, _ []byte) error {
	e, err := keyEpoch(key, sessionKeySize)
	if err == nil {
		s.kept.note(e, nil)
	}
	return err
}

func (s *Service) loadExtent(key, value []byte) error {
	e, err := keyEpoch(key, extentKeySize)
	if err != nil {
		return err
	}
	extent, err := decodeExtent(value)
	if err == nil {
		s.kept.note(e, []remora.Extent{extent})
	}
	return err
}

func (s *Service) loadPlan(key, value []byte) error {
	e, err := keyEpoch(key, epochKeySize)
	if err != nil {
		return err
	}
	p, err := decodePlan(value)
	if err == nil {
		s.kept.note(e, nil)
		s.claims[e] = &job{plan: p}
	}
	return err
}
