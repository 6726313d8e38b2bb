package validator

import (
	"errors"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/admission"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/door"
)

// submission is a client's request: it is answered when every batch that took one of its transactions is durable.
type submission struct {
	txs   [][]byte
	reply chan<- submitted // buffered for one
}

// submitted names the batch of each transaction, in order, up to the first that found no room.
type submitted struct {
	batches []remora.Hash
	err     error // why the rest found none
}

// answerAll returns an answer for each of count transactions, or door.ErrBusy if none found room.
func (s *submitted) answerAll(count int) ([]door.Answer, error) {
	if errors.Is(s.err, worker.ErrBusy) && len(s.batches) == 0 {
		return nil, door.ErrBusy
	}
	if s.err != nil && !errors.Is(s.err, worker.ErrBusy) {
		return nil, s.err
	}
	answers := make([]door.Answer, count)
	for i := range answers {
		if i < len(s.batches) {
			answers[i].Batch = s.batches[i]
			continue
		}
		answers[i].Refusal = &admission.Refusal{Code: admission.CodeFull, Reason: door.ErrBusy.Error()}
	}
	return answers, nil
}

// waiter is a submission whose batches are not all durable yet.
type waiter struct {
	submission
	seqs    []uint64 // batch of each transaction
	sealed  map[uint64]remora.Hash
	missing int
	err     error
}

// waitlist holds the submissions that wait for their batches, by the number of the batch.
type waitlist map[uint64][]*waiter

// enterSubmission hands the transactions of a submission to the worker core, up to the first that finds no room.
func (l waitlist) enterSubmission(core *worker.Core, s submission) {
	w := &waiter{submission: s, sealed: map[uint64]remora.Hash{}}
	for _, tx := range s.txs {
		seq, err := core.Submit(tx)
		if err != nil {
			w.err = err
			break
		}
		if n := len(w.seqs); n == 0 || w.seqs[n-1] != seq {
			l[seq] = append(l[seq], w)
			w.missing++
		}
		w.seqs = append(w.seqs, seq)
	}
	if w.missing == 0 {
		s.reply <- submitted{err: w.err}
	}
}

// answerClients answers the submissions whose last batch is now durable.
func (l waitlist) answerClients(s worker.Sealed) {
	for _, w := range l[s.Seq] {
		w.sealed[s.Seq] = s.Digest
		if w.missing--; w.missing > 0 {
			continue
		}
		batches := make([]remora.Hash, len(w.seqs))
		for i, seq := range w.seqs {
			batches[i] = w.sealed[seq]
		}
		w.reply <- submitted{batches: batches, err: w.err}
	}
	delete(l, s.Seq)
}
