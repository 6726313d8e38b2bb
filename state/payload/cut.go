package payload

import (
	"bytes"
	"math/bits"
	"slices"

	"github.com/remora-network/remora"
)

// CutBlock takes the batches that the block executes out of the queues, in order: deficit round robin (Shreedhar and Varghese,
// SIGCOMM 1995) over the accounts. A turn gives an account its share of a block's weight, by stake; what it does not use is
// kept while its queue is not empty. The next block continues where this one is full.
func (s *Schedule) CutBlock(c *remora.Committee) ([]remora.BatchRef, error) {
	round := robin{schedule: s, total: c.Total(), rest: s.params.BlockWeight, resumed: s.turn}
	for _, q := range s.queues {
		if !q.isEmpty() {
			round.queues = append(round.queues, q)
		}
	}
	round.at = slices.IndexFunc(round.queues, func(q *queue) bool { return bytes.Compare(q.account[:], s.turn.Account[:]) >= 0 })
	round.at = max(round.at, 0)
	var err error
	s.turn, err = round.serveQueues()
	return round.run, err
}

// robin serves queues in turn until the block is full or they are empty.
type robin struct {
	schedule *Schedule
	total    remora.Amount // stake of the committee
	queues   []*queue      // none is empty
	at       int           // the queue whose turn it is
	rest     remora.Weight // that the block has left
	resumed  turn          // where the block before was full
	run      []remora.BatchRef
}

// serveQueues returns the turn that is cut short, zero if no queue is left.
func (r *robin) serveQueues() (turn, error) {
	for idle := 0; len(r.queues) > 0; {
		if idle == len(r.queues) { // nobody could use its share
			if err := r.skipTurns(); err != nil {
				return turn{}, err
			}
			idle = 0
		}
		q := r.queues[r.at]
		if r.resumed != (turn{Account: q.account, Granted: true}) {
			q.Deficit += r.quantum(q)
		}
		r.resumed = turn{}
		served, full, err := r.serveQueue(q)
		switch {
		case err != nil:
			return turn{}, err
		case full:
			return turn{Account: q.account, Granted: true}, nil
		case served > 0:
			idle = 0
		default:
			idle++
		}
		if q.isEmpty() {
			r.queues = slices.Delete(r.queues, r.at, r.at+1)
		} else {
			r.at++
		}
		if r.at == len(r.queues) {
			r.at = 0
		}
	}
	return turn{}, nil
}

// serveQueue takes batches while the account's deficit allows. full says that the block has no place for the next one.
func (r *robin) serveQueue(q *queue) (served int, full bool, err error) {
	for !q.isEmpty() {
		ref, err := q.firstBatch()
		if err != nil {
			return served, false, err
		}
		w := r.schedule.weigh(ref)
		switch {
		case w > q.Deficit:
			return served, false, nil
		case w > r.rest:
			return served, true, nil
		}
		r.run = append(r.run, *ref)
		r.rest -= w
		q.popBatch(w)
		served++
	}
	return served, false, nil
}

// quantum returns what a turn gives a queue: the block's weight times its share of the stake, at least 1.
func (r *robin) quantum(q *queue) remora.Weight {
	hi, lo := bits.Mul64(uint64(r.schedule.params.BlockWeight), uint64(min(q.Stake, r.total)))
	whole, _ := bits.Div64(hi, lo, uint64(r.total)) // fits: the stake is at most the total
	return max(remora.Weight(whole), 1)
}

// skipTurns grants at once the turns in which no account can afford its oldest batch.
func (r *robin) skipTurns() error {
	skip := remora.Weight(0)
	for i, q := range r.queues {
		ref, err := q.firstBatch()
		if err != nil {
			return err
		}
		turns := (r.schedule.weigh(ref) - q.Deficit - 1) / r.quantum(q) // whole turns before the one that suffices
		if i == 0 || turns < skip {
			skip = turns
		}
	}
	for _, q := range r.queues {
		q.Deficit += skip * r.quantum(q)
	}
	return nil
}
