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
)

const (
	// hello is the one byte that a receiver writes when it accepts a stream. libp2p negotiates lazily, so without it a
	// sender would write into streams that the other side refuses.
	hello       = 1
	openTimeout = 5 * time.Second
	// stale is how long a queue outlives its stream.
	stale = time.Second
)

// sender writes one channel to one peer.
type sender struct {
	to       *remote
	index    int // of the channel
	channel  Channel
	protocol protocol.ID
	queue    *queue
	wake     chan struct{} // a connection to the peer came or went
	timeout  time.Duration
	log      *slog.Logger

	sent, bytes, dropped atomic.Uint64
}

// send queues a frame, or counts it as dropped.
func (s *sender) send(frame []byte) bool {
	if len(frame) == 0 || len(frame) > s.channel.MaxFrame || !s.queue.push(frame) {
		s.dropped.Add(1)
		return false
	}
	return true
}

// run keeps a stream open and writes what is queued, until the context ends.
func (s *sender) run(ctx context.Context, lib host.Host) {
	var retry backoff
	down := time.Now()
	for ctx.Err() == nil {
		if stream, err := s.open(ctx, lib); err == nil {
			began := time.Now()
			s.queue.resume()
			s.to.setOut(s.index, true)
			err = s.pump(ctx, stream)
			s.to.setOut(s.index, false)
			s.log.Debug("channel to peer lost", slog.Any("peer", s.to.name), slog.Any("channel", s.channel.Name), slog.Any("error", err))
			down = time.Now()
			retry.ended(began)
		}
		if time.Since(down) > stale {
			s.dropped.Add(uint64(s.queue.pause()))
		}
		if rest(ctx, s.wake, retry.next()) {
			retry = backoff{} // what failed before says nothing about a new connection
		}
	}
}

// open opens the channel's stream over an existing connection and waits until the peer has accepted it.
func (s *sender) open(ctx context.Context, lib host.Host) (network.Stream, error) {
	if lib.Network().Connectedness(s.to.id) != network.Connected {
		return nil, ErrNotConnected
	}
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "another goroutine dials"), openTimeout)
	defer cancel()
	stream, err := lib.NewStream(ctx, s.to.id, s.protocol)
	if err != nil {
		return nil, err
	}
	if err := greeted(stream); err != nil {
		_ = stream.Reset()
		return nil, err
	}
	return stream, nil
}

func greeted(stream network.Stream) error {
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

// pump writes frames until the stream or the context ends. A frame taken from the queue may be lost with the stream.
func (s *sender) pump(ctx context.Context, stream network.Stream) error {
	gone := make(chan error, 1)
	go func() { gone <- ended(stream) }()
	defer func() {
		_ = stream.Reset()
		<-gone
	}()
	w := bufio.NewWriterSize(patientWriter{stream, s.timeout}, chunk)
	for {
		if frame, ok := s.queue.pop(); ok {
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

// ended waits for the end of a stream on which nothing more may arrive.
func ended(stream network.Stream) error {
	var b [1]byte
	if _, err := stream.Read(b[:]); err != nil {
		return err
	}
	return ErrMalformed
}
