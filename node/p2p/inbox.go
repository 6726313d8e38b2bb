package p2p

import (
	"context"
	"sync"
	"time"
)

const (
	// receiveSlots is the number of messages of a channel that were chosen and wait for the consumer.
	receiveSlots = 8
	// inboxFrames is the number of frames of a channel that may wait for one peer's turn. Their bytes are bounded by the
	// channel's largest frame.
	inboxFrames = 64
)

// inbox holds what the peers have sent on a channel, a queue for each peer, and hands it on in turn. A peer whose queue is
// full is not read any more: what it sends beyond waits on its own stream.
type inbox struct {
	channel Channel
	out     chan Message
	ready   chan struct{} // holds a token when chooseNext may find more than it did last

	mu     sync.Mutex
	turns  turns
	queues []*arrivals // by number in turns
}

// arrivals are the frames of one peer that wait for its turn.
type arrivals struct {
	peer   string
	frames [][]byte
	bytes  int
	room   chan struct{} // holds a token when a frame has left since the reader last found no room
}

func newInbox(ch Channel) *inbox {
	return &inbox{channel: ch, out: make(chan Message, receiveSlots), ready: make(chan struct{}, 1), turns: newTurns(ch.Rate)}
}

// addQueue returns the number of a new peer's queue. It is for before Run.
func (b *inbox) addQueue(peer string) int {
	b.queues = append(b.queues, &arrivals{peer: peer, room: make(chan struct{}, 1)})
	return b.turns.addPeer()
}

// enterFrame puts a frame into a peer's queue. It waits for room until the stream is replaced or the context ends.
func (b *inbox) enterFrame(ctx context.Context, number int, frame []byte, replaced <-chan struct{}) error {
	for !b.tryEnter(number, frame) {
		select {
		case <-b.queues[number].room:
		case <-replaced:
			return errReplaced
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	leaveToken(b.ready)
	return nil
}

func (b *inbox) tryEnter(number int, frame []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queues[number]
	if len(q.frames) == inboxFrames || len(q.frames) > 0 && q.bytes+len(frame) > b.channel.MaxFrame {
		return false
	}
	q.frames, q.bytes = append(q.frames, frame), q.bytes+len(frame)
	b.turns.joinLine(number)
	return true
}

// deliverInTurn hands frames on until the context ends.
func (b *inbox) deliverInTurn(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		m, wait, ok := b.takeNext(time.Now())
		if ok {
			select {
			case b.out <- m:
				continue
			case <-ctx.Done():
				return
			}
		}
		timer.Stop()
		if wait > 0 {
			timer.Reset(wait)
		}
		select {
		case <-b.ready:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// takeNext takes the frame whose turn it is, or says when the next one's turn may come.
func (b *inbox) takeNext(now time.Time) (m Message, wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	number, wait, ok := b.turns.chooseNext(now)
	if !ok {
		return Message{}, wait, false
	}
	q := b.queues[number]
	frame := q.frames[0]
	q.frames[0] = nil
	q.frames, q.bytes = q.frames[1:], q.bytes-len(frame)
	b.turns.chargeFrame(number, len(frame), now)
	if len(q.frames) > 0 {
		b.turns.joinLine(number)
	}
	leaveToken(q.room)
	return Message{Peer: q.peer, Channel: b.channel.Name, Payload: frame}, 0, true
}

// holdPeer passes a peer over for a while.
func (b *inbox) holdPeer(number int, d time.Duration) {
	b.mu.Lock()
	b.turns.holdPeer(number, d, time.Now())
	b.mu.Unlock()
}
