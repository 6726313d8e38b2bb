package payload

import "github.com/remora-network/remora"

// Fate says what became of the references of a sub-DAG, in order. A reference that is in none of the lists was accepted
// before, or is too far below its worker's highest accepted batch.
type Fate struct {
	Accepted []remora.BatchRef
	Refused  []remora.BatchRef // the author's queue has no room, or no block has
	Expired  []remora.BatchRef // sealed neither in the block's epoch nor in the one before
}

// AcceptSubDAG takes what can be accepted of a sub-DAG into the queues. Its headers are of the committee, and have passed
// Header.Check.
func (s *Schedule) AcceptSubDAG(c *remora.Committee, epoch remora.Epoch, sub *remora.SubDAG) (Fate, error) {
	var f Fate
	for _, h := range sub.Headers {
		for _, ref := range h.Payload {
			if ref.Epoch != epoch && ref.Epoch+1 != epoch {
				f.Expired = append(f.Expired, ref)
				continue
			}
			member := &c.Members[ref.Author]
			w, err := s.windowOf(member.Account, ref.Worker)
			if err != nil {
				return Fate{}, err
			}
			if !w.isOpen(ref.Seq) {
				continue
			}
			q := s.queueOf(member.Account)
			if s.weigh(&ref) > s.params.BlockWeight || q.Bytes+uint64(ref.Charge()) > s.params.QueueBytes {
				f.Refused = append(f.Refused, ref)
				continue
			}
			w.accept(ref.Seq)
			q.pushBatch(ref, member.Stake)
			f.Accepted = append(f.Accepted, ref)
		}
	}
	return f, nil
}

// weigh returns the weight that a batch takes of a block. Without a least weight, tiny batches would make more rows than they
// pay for.
func (s *Schedule) weigh(ref *remora.BatchRef) remora.Weight {
	return max(ref.Weight, s.params.BlockWeight/remora.MaxBlockBatches, 1)
}

func (s *Schedule) windowOf(account remora.Address, worker remora.Worker) (*window, error) {
	key := windowKey(account, worker)
	if w := s.windows[string(key)]; w != nil {
		return w, nil
	}
	w, err := loadWindow(s.view, key)
	if err == nil {
		s.windows[string(key)] = w
	}
	return w, err
}
