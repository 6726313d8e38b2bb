package p2p

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// A request is its length (4 bytes, big-endian) and its bytes; an answer is the length, a status byte and its bytes. Both may
// hold nothing. Status 0 is success, others are a Code and a message.
const (
	statusOK        = 0
	maxErrorMessage = 256
)

// Request asks a connected peer, or one that was introduced, and returns its answer, which the caller owns. An answer of more than maxResponse bytes is
// refused before memory is taken for it. Without a deadline in the context, Config.RequestTimeout applies.
func (h *Host) Request(ctx context.Context, name, protocol string, request []byte, maxResponse int) ([]byte, error) {
	answer, err := h.request(ctx, name, protocol, request, maxResponse)
	if err != nil {
		return nil, fmt.Errorf("p2p: request %s to %s: %w", protocol, name, err)
	}
	return answer, nil
}

func (h *Host) request(ctx context.Context, name, protocol string, request []byte, maxResponse int) ([]byte, error) {
	id, dial, err := h.callee(name)
	if err != nil {
		return nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, h.cfg.RequestTimeout)
		defer cancel()
	}
	if !dial {
		ctx = network.WithNoDial(ctx, "another goroutine dials")
	}
	answer, err := h.exchange(ctx, id, protocol, request, maxResponse)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err() // the cause of whatever the stream says
	}
	return answer, err
}

// callee returns whom to ask and whether asking may dial: configured peers are dialled in the background.
func (h *Host) callee(name string) (id peer.ID, dial bool, err error) {
	if r := h.names[name]; r != nil {
		if h.net.Connectedness(r.id) != network.Connected {
			return "", false, ErrNotConnected
		}
		return r.id, false, nil
	}
	id, err = decodeID(name)
	if err != nil {
		return "", false, err
	}
	if _, introduced := h.gate.addresses(id); !introduced {
		return "", false, ErrUnknownPeer
	}
	return id, true, nil
}

// exchange uses a stream of its own for one request; the stream ends with the context.
func (h *Host) exchange(ctx context.Context, id peer.ID, protocol string, request []byte, maxResponse int) ([]byte, error) {
	stream, err := h.lib.NewStream(ctx, id, h.cfg.requestID(protocol))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = stream.Reset() })
	defer stop()
	answer, err := ask(stream, request, maxResponse)
	if err != nil {
		_ = stream.Reset()
		return nil, err
	}
	_ = stream.Close()
	return answer, nil
}

// ask writes the request and reads the answer. A peer that is busy answers without reading, so a failed write still
// leaves an answer to look for.
func ask(stream network.Stream, request []byte, maxResponse int) ([]byte, error) {
	w := bufio.NewWriter(stream)
	err := writeFrame(w, request)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = stream.CloseWrite()
	}
	answer, readErr := readAnswer(stream, maxResponse)
	if readErr == nil || err == nil {
		return answer, readErr
	}
	return nil, err
}

func readAnswer(r io.Reader, limit int) ([]byte, error) {
	var head [headerSize + 1]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:headerSize])
	if size == 0 {
		return nil, fmt.Errorf("%w: an answer without status", ErrMalformed)
	}
	status := head[headerSize]
	if status == statusOK {
		return readBody(r, size-1, limit)
	}
	message, err := readBody(r, size-1, maxErrorMessage)
	if err != nil {
		return nil, err
	}
	return nil, &RemoteError{Code: Code(status), Message: strings.ToValidUTF8(string(message), "?")}
}

// readBody checks a length that the peer announced, and only then takes memory for it.
func readBody(r io.Reader, size uint32, limit int) ([]byte, error) {
	if uint64(size) > uint64(max(limit, 0)) {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, limit)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	return body, nil
}
