package p2p

import "sync"

// frameQueue holds the frames that wait for one peer on one channel, bounded in frames and bytes; a frame that does not
// fit is refused. Frames are shared with other queues and are read-only.
type frameQueue struct {
	ready chan struct{} // holds a token when a frame may have arrived since popFrame last found none

	mu     sync.Mutex
	frames [][]byte // ring
	head   int
	count  int
	bytes  int
	limit  int // bytes
	paused bool
}

func newFrameQueue(frames, bytes int) *frameQueue {
	return &frameQueue{ready: make(chan struct{}, 1), frames: make([][]byte, frames), limit: bytes}
}

func (q *frameQueue) pushFrame(frame []byte) bool {
	q.mu.Lock()
	if q.paused || q.count == len(q.frames) || q.bytes+len(frame) > q.limit {
		q.mu.Unlock()
		return false
	}
	q.frames[(q.head+q.count)%len(q.frames)] = frame
	q.count++
	q.bytes += len(frame)
	q.mu.Unlock()
	leaveToken(q.ready)
	return true
}

func (q *frameQueue) popFrame() ([]byte, bool) {
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

// pauseAndClear empties the queue, refuses frames until resumeIntake and returns the number of discarded frames.
func (q *frameQueue) pauseAndClear() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	dropped := q.count
	clear(q.frames)
	q.head, q.count, q.bytes, q.paused = 0, 0, 0, true
	return dropped
}

func (q *frameQueue) resumeIntake() {
	q.mu.Lock()
	q.paused = false
	q.mu.Unlock()
}

// pendingSize returns the number of waiting frames and their bytes.
func (q *frameQueue) pendingSize() (frames, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count, q.bytes
}

// leaveToken puts a token into a channel of one slot, unless there is one already.
func leaveToken(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
