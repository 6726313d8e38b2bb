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

// muteTime is the time for which streams of a channel are refused after its peer broke the framing. It is short: a
// committee needs its members, and a peer may be faulty without being hostile.
const muteTime = time.Second

// Message is one frame from a peer. The payload belongs to the receiver.
type Message struct {
	Peer    string // proven by the connection's handshake
	Channel string
	Payload []byte
}

// reader receives one channel from one peer: at most one stream at a time, and one frame beside those in the inbox.
type reader struct {
	from    *remote
	index   int // of the channel
	channel Channel
	in      *inbox // shared by the readers of the channel
	place   int    // of the peer's queue in it
	timeout time.Duration
	log     *slog.Logger

	received, bytes, rejected atomic.Uint64

	mu      sync.Mutex
	current *turn
	muted   time.Time // no stream is accepted before this time
}

// turn is the time in which one stream is the peer's stream of the channel.
type turn struct {
	stream   network.Stream
	replaced chan struct{} // closed when a newer stream takes over
	done     chan struct{} // closed when this stream delivers nothing more
}

// serveStream delivers a stream's frames until the stream fails or is replaced, or the context ends.
func (r *reader) serveStream(ctx context.Context, stream network.Stream) {
	t := &turn{stream: stream, replaced: make(chan struct{}), done: make(chan struct{})}
	previous, ok := r.beginTurn(t)
	if !ok {
		_ = stream.Reset()
		return
	}
	defer close(t.done)
	if previous != nil {
		previous.stopAndWait(stream.Conn())
	}
	err := r.readFrames(ctx, t)
	_ = stream.Reset()
	broke := errors.Is(err, ErrMalformed) || errors.Is(err, ErrTooLarge)
	r.endTurn(t, broke)
	if broke {
		r.rejected.Add(1)
		r.log.Warn("peer broke the framing; its stream is closed", slog.Any("peer", r.from.name), slog.Any("channel", r.channel.Name), slog.Any("error", err))
	}
}

// beginTurn makes t the current turn and returns the one that it replaces; it returns false while the peer is muted. The
// newest stream wins: a peer that opens another one has given up the old one, even if we have not seen its end.
func (r *reader) beginTurn(t *turn) (previous *turn, ok bool) {
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

// stopAndWait stops a replaced turn and waits for its end, so that frames stay in order. The old connection, if it is
// another one, is closed too: the peer has given it up, and our own streams on it would wait for their timeout.
func (t *turn) stopAndWait(newer network.Conn) {
	_ = t.stream.Reset()
	if old := t.stream.Conn(); old.ID() != newer.ID() {
		_ = old.Close()
	}
	<-t.done
}

func (r *reader) endTurn(t *turn, broke bool) {
	r.mu.Lock()
	last := r.current == t
	if last {
		r.current = nil
	}
	if broke {
		r.muted = time.Now().Add(muteTime)
	}
	r.mu.Unlock()
	if last {
		r.from.markIncoming(r.index, false)
	}
}

func (r *reader) readFrames(ctx context.Context, t *turn) error {
	if err := t.stream.SetWriteDeadline(time.Now().Add(r.timeout)); err != nil {
		return err
	}
	if _, err := t.stream.Write([]byte{hello}); err != nil {
		return err
	}
	r.from.markIncoming(r.index, true)
	frames := newFrameReader(t.stream, r.channel.MaxFrame, r.timeout)
	for {
		payload, err := frames.readFrame()
		if err != nil {
			return err
		}
		r.received.Add(1)
		r.bytes.Add(uint64(len(payload)))
		if err := r.in.enterFrame(ctx, r.place, payload, t.replaced); err != nil {
			return err
		}
	}
}
