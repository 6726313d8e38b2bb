package p2p

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/remora-network/remora/app/steady"
)

const (
	// hello is the byte that a receiver writes when it accepts a stream. libp2p negotiates lazily: without it a sender
	// would write into streams that the other side refuses.
	hello       = 1
	openTimeout = 5 * time.Second
	// queueLife is the time for which a queue outlives its stream.
	queueLife = time.Second
)

// sender writes one channel to one peer.
type sender struct {
	to       *remote
	index    int // of the channel
	channel  Channel
	protocol protocol.ID
	queue    *frameQueue
	wake     chan struct{} // a connection to the peer came or went
	timeout  time.Duration
	log      *slog.Logger

	sent, bytes, dropped atomic.Uint64
}

// queueFrame queues a frame, or counts it as dropped.
func (s *sender) queueFrame(frame []byte) bool {
	if len(frame) == 0 || len(frame) > s.channel.MaxFrame || !s.queue.pushFrame(frame) {
		s.dropped.Add(1)
		return false
	}
	return true
}

// keepWriting keeps a stream open and writes the queued frames to it until the context ends.
func (s *sender) keepWriting(ctx context.Context, lib host.Host) {
	var retry backoff
	down := time.Now()
	for ctx.Err() == nil {
		if stream, err := s.openStream(ctx, lib); err == nil {
			began := time.Now()
			s.queue.resumeIntake()
			s.to.markOutgoing(s.index, true)
			err = s.writeFrames(ctx, stream)
			s.to.markOutgoing(s.index, false)
			s.log.Debug("channel to peer lost", slog.Any("peer", s.to.name), slog.Any("channel", s.channel.Name), slog.Any("error", err))
			down = time.Now()
			retry.noteLinkEnd(began)
		}
		if time.Since(down) > queueLife {
			s.dropped.Add(uint64(s.queue.pauseAndClear()))
		}
		if waitOrWake(ctx, s.wake, retry.nextWait()) {
			retry = backoff{} // failures on the last connection say nothing about the new one
		}
	}
}

// openStream opens the channel's stream over an existing connection and waits until the peer has accepted it.
func (s *sender) openStream(ctx context.Context, lib host.Host) (network.Stream, error) {
	if lib.Network().Connectedness(s.to.id) != network.Connected {
		return nil, ErrNotConnected
	}
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "another goroutine dials"), openTimeout)
	defer cancel()
	stream, err := lib.NewStream(ctx, s.to.id, s.protocol)
	if err != nil {
		return nil, err
	}
	if err := awaitHello(stream); err != nil {
		_ = stream.Reset()
		return nil, err
	}
	return stream, nil
}

func awaitHello(stream network.Stream) error {
	if err := stream.SetReadDeadline(time.Now().Add(openTimeout)); err != nil {
		return err
	}
	var b [1]byte
	if _, err := io.ReadFull(stream, b[:]); err != nil {
		return err
	}
	if b[0] != hello {
		return ErrMalformed
	}
	return stream.SetReadDeadline(time.Time{})
}

// writeFrames writes frames until the stream or the context ends. A frame taken from the queue may be lost with the stream.
func (s *sender) writeFrames(ctx context.Context, stream network.Stream) error {
	gone := make(chan error, 1)
	go func() { gone <- awaitStreamEnd(stream) }()
	defer func() {
		_ = stream.Reset()
		<-gone
	}()
	steps := steady.Writer{Writer: stream, SetDeadline: stream.SetWriteDeadline, Step: writeStep, Patience: s.timeout}
	w := bufio.NewWriterSize(steps, writeStep)
	for {
		if frame, ok := s.queue.popFrame(); ok {
			if err := writeFrame(w, frame); err != nil {
				return err
			}
			s.sent.Add(1)
			s.bytes.Add(uint64(len(frame)))
			continue
		}
		if err := w.Flush(); err != nil {
			return err
		}
		select {
		case <-s.queue.ready:
		case err := <-gone:
			gone <- err // for the deferred wait
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// awaitStreamEnd returns the error that ends a stream, ErrMalformed if a byte arrives instead.
func awaitStreamEnd(stream network.Stream) error {
	var b [1]byte
	if _, err := stream.Read(b[:]); err != nil {
		return err
	}
	return ErrMalformed
}
