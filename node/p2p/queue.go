package p2p

import "sync"

// queue holds the frames that wait for one peer on one channel. Frames are shared with other queues and are read-only.
// It never grows beyond its bounds; what does not fit is refused.
type queue struct {
	ready chan struct{} // has a token whenever a frame may have come since the last pop found none

	mu     sync.Mutex
	frames [][]byte // ring
	head   int
	count  int
	bytes  int
	limit  int // bytes
	paused bool
}

func newQueue(frames, bytes int) *queue {
	return &queue{ready: make(chan struct{}, 1), frames: make([][]byte, frames), limit: bytes}
}

func (q *queue) push(frame []byte) bool {
	q.mu.Lock()
	if q.paused || q.count == len(q.frames) || q.bytes+len(frame) > q.limit {
		q.mu.Unlock()
		return false
	}
	q.frames[(q.head+q.count)%len(q.frames)] = frame
	q.count++
	q.bytes += len(frame)
	q.mu.Unlock()
	poke(q.ready)
	return true
}

func (q *queue) pop() ([]byte, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count == 0 {
		return nil, false
	}
	frame := q.frames[q.head]
	q.frames[q.head] = nil
	q.head = (q.head + 1) % len(q.frames)
	q.count--
	q.bytes -= len(frame)
	return frame, true
}

// pause empties the queue and refuses frames until resume. It returns how many frames it threw away.
func (q *queue) pause() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	dropped := q.count
	clear(q.frames)
	q.head, q.count, q.bytes, q.paused = 0, 0, 0, true
	return dropped
}

func (q *queue) resume() {
	q.mu.Lock()
	q.paused = false
	q.mu.Unlock()
}

// size returns the frames and bytes that wait.
func (q *queue) size() (frames, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count, q.bytes
}

// poke leaves a token in a channel of one slot, unless one is there.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
