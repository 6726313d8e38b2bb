package payload

import (
	"encoding/binary"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// queueRecord is what the state keeps of an account's queue while it is not empty.
type queueRecord struct {
	_       struct{}      `cbor:",toarray"`
	Stake   remora.Amount // of the author when the newest batch was accepted
	Deficit remora.Weight // that the account has left of its shares
	Bytes   uint64        // charges of the batches that wait
	First   uint64        // place of the oldest batch
	Next    uint64        // place of the next batch; First if the queue is empty
}

// queue holds the accepted batches of an account, which execute in the order of their places.
type queue struct {
	queueRecord
	view     table.View
	account  remora.Address
	before   queueRecord       // as stored; zero: no row
	accepted []remora.BatchRef // by this block, from place before.Next on
	oldest   *remora.BatchRef  // at First, once it is loaded
}

func (q *queue) isEmpty() bool { return q.First == q.Next }

func (q *queue) pushBatch(ref remora.BatchRef, stake remora.Amount) {
	q.accepted = append(q.accepted, ref)
	q.Next++
	q.Bytes += uint64(ref.Charge())
	q.Stake = stake
}

// firstBatch returns the oldest batch. The queue is not empty.
func (q *queue) firstBatch() (*remora.BatchRef, error) {
	switch {
	case q.oldest != nil:
	case q.First >= q.before.Next:
		q.oldest = &q.accepted[q.First-q.before.Next]
	default:
		ref := new(remora.BatchRef)
		exists, err := table.Load(q.view, table.Queued, q.rowKey(q.First), maxRecord, ref)
		if err != nil {
			return nil, err
		}
		if !exists {
			return nil, fmt.Errorf("%w: the queue of account %s lacks place %d of %d to %d", remora.ErrCorrupt, q.account, q.First, q.First, q.Next)
		}
		q.oldest = ref
	}
	return q.oldest, nil
}

// popBatch removes the oldest batch, which firstBatch has returned. An empty queue keeps nothing of its shares.
func (q *queue) popBatch(weight remora.Weight) {
	q.Bytes -= uint64(q.oldest.Charge())
	q.Deficit -= weight
	q.First++
	q.oldest = nil
	if q.isEmpty() {
		q.Deficit = 0
	}
}

func (q *queue) rowKey(place uint64) []byte {
	key := append(make([]byte, 0, remora.AddressSize+8), q.account[:]...)
	return binary.BigEndian.AppendUint64(key, place)
}

// save writes the rows that this block adds and removes. A batch that the block both accepts and executes has none.
func (q *queue) save(o *table.Overlay) {
	for place := q.before.First; place < min(q.First, q.before.Next); place++ {
		o.Delete(table.Queued, q.rowKey(place))
	}
	for place := max(q.First, q.before.Next); place < q.Next; place++ {
		o.Put(table.Queued, q.rowKey(place), remora.Encode(q.accepted[place-q.before.Next]))
	}
	switch {
	case q.queueRecord == q.before:
	case !q.isEmpty():
		o.Put(table.Queues, q.account[:], remora.Encode(q.queueRecord))
	case q.before != queueRecord{}:
		o.Delete(table.Queues, q.account[:])
	}
}
