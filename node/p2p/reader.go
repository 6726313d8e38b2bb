package p2p

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// penance is how long a peer that broke the framing waits before the channel hears it again. It is short: a committee
// needs its members, and whoever is broken rather than hostile comes back on its own.
const penance = time.Second

// Message is one frame from a peer. The payload belongs to the receiver.
type Message struct {
	Peer    string // proven by the connection's handshake
	Channel string
	Payload []byte
}

// reader takes one channel from one peer: at most one stream at a time, at most one frame in memory.
type reader struct {
	from    *remote
	index   int // of the channel
	channel Channel
	out     chan<- Message // shared by the readers of the channel
	timeout time.Duration
	log     *slog.Logger

	received, bytes, rejected atomic.Uint64

	mu      sync.Mutex
	current *turn
	muted   time.Time // no stream is accepted before
}

// turn is one stream's time as the peer's stream of the channel.
type turn struct {
	stream   network.Stream
	replaced chan struct{} // closed when a newer stream takes over
	done     chan struct{} // closed when nothing more will come from this one
}

// run reads a stream until it fails, is replaced, or the context ends.
func (r *reader) run(ctx context.Context, stream network.Stream) {
	t := &turn{stream: stream, replaced: make(chan struct{}), done: make(chan struct{})}
	previous, ok := r.adopt(t)
	if !ok {
		_ = stream.Reset()
		return
	}
	defer close(t.done)
	if previous != nil {
		previous.end(stream.Conn())
	}
	err := r.read(ctx, t)
	_ = stream.Reset()
	broke := errors.Is(err, ErrMalformed) || errors.Is(err, ErrTooLarge)
	r.release(t, broke)
	if broke {
		r.rejected.Add(1)
		r.log.Warn("peer broke the framing; its stream is closed", slog.Any("peer", r.from.name), slog.Any("channel", r.channel.Name), slog.Any("error", err))
	}
}

// adopt makes t the current turn and returns the one that it replaces. The newest stream wins: a peer that opens another
// has given up the old one, even if its end has not reached us.
func (r *reader) adopt(t *turn) (previous *turn, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().Before(r.muted) {
		return nil, false
	}
	previous, r.current = r.current, t
	if previous != nil {
		close(previous.replaced)
	}
	return previous, true
}

// end stops a replaced turn and waits for it, so that frames stay in order. A connection other than the new one is
// dead to the peer: closing it frees our own streams on it, which would wait for their timeout.
func (t *turn) end(newer network.Conn) {
	_ = t.stream.Reset()
	if old := t.stream.Conn(); old.ID() != newer.ID() {
		_ = old.Close()
	}
	<-t.done
}

func (r *reader) release(t *turn, broke bool) {
	r.mu.Lock()
	last := r.current == t
	if last {
		r.current = nil
	}
	if broke {
		r.muted = time.Now().Add(penance)
	}
	r.mu.Unlock()
	if last {
		r.from.setIn(r.index, false)
	}
}

func (r *reader) read(ctx context.Context, t *turn) error {
	if err := t.stream.SetWriteDeadline(time.Now().Add(r.timeout)); err != nil {
		return err
	}
	if _, err := t.stream.Write([]byte{hello}); err != nil {
		return err
	}
	r.from.setIn(r.index, true)
	frames := newFrameReader(t.stream, r.channel.MaxFrame, r.timeout)
	for {
		payload, err := frames.next()
		if err != nil {
			return err
		}
		r.received.Add(1)
		r.bytes.Add(uint64(len(payload)))
		select {
		case r.out <- Message{Peer: r.from.name, Channel: r.channel.Name, Payload: payload}:
		case <-t.replaced:
			return errReplaced
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
