package delivery

import "sync/atomic"

// counts are the counters of a service since it was built.
type counts struct{ delivered, acked, refused, opened atomic.Uint64 }

// Stats are the figures of a service.
type Stats struct {
	Delivered uint64 // bytes of content since the start
	Acked     uint64 // bytes of receipts since the start
	Refused   uint64 // requests since the start
	Opened    uint64 // claims since the start
	Epochs    int    // with receipts in the journal
}

// Stats returns the present figures.
func (s *Service) Stats() Stats {
	return Stats{
		Delivered: s.counts.delivered.Load(), Acked: s.counts.acked.Load(),
		Refused: s.counts.refused.Load(), Opened: s.counts.opened.Load(),
		Epochs: len(s.journal.listEpochs()),
	}
}
