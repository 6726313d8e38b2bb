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

// A request is its length (4 bytes, big-endian) and its bytes; an answer is a length, a status byte and its bytes, where
// the length counts the status byte. Both may be empty. Status 0 is success; any other is a Code, followed by a message.
const (
	statusOK        = 0
	maxErrorMessage = 256
)

// Request asks a connected or registered peer and returns its answer, which the caller owns. An answer of more than
// maxResponse bytes is refused before memory is allocated for it. Without a deadline in the context,
// Config.RequestTimeout applies.
func (h *Host) Request(ctx context.Context, name, protocol string, request []byte, maxResponse int) ([]byte, error) {
	answer, err := h.requestAnswer(ctx, name, protocol, request, maxResponse)
	if err != nil {
		return nil, fmt.Errorf("p2p: request %s to %s: %w", protocol, name, err)
	}
	return answer, nil
}

func (h *Host) requestAnswer(ctx context.Context, name, protocol string, request []byte, maxResponse int) ([]byte, error) {
	id, dial, err := h.resolveCallee(name)
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
	answer, err := h.askOnStream(ctx, id, protocol, request, maxResponse)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err() // the stream's error only follows from it
	}
	return answer, err
}

// resolveCallee returns the id of the peer to ask, and whether a request may dial it: configured peers are dialled by
// keepConnected only.
func (h *Host) resolveCallee(name string) (id peer.ID, dial bool, err error) {
	if r := h.names[name]; r != nil {
		if h.net.Connectedness(r.id) != network.Connected {
			return "", false, ErrNotConnected
		}
		return r.id, false, nil
	}
	id, err = decodePeerID(name)
	if err != nil {
		return "", false, err
	}
	if h.gate.classOf(id) == guest {
		return "", false, ErrUnknownPeer
	}
	return id, true, nil
}

// askOnStream sends one request on a new stream, which ends with the context.
func (h *Host) askOnStream(ctx context.Context, id peer.ID, protocol string, request []byte, maxResponse int) ([]byte, error) {
	stream, err := h.lib.NewStream(ctx, id, h.cfg.requestProtocol(protocol))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = stream.Reset() })
	defer stop()
	answer, err := exchangeFrames(stream, request, maxResponse)
	if err != nil {
		_ = stream.Reset()
		return nil, err
	}
	_ = stream.Close()
	return answer, nil
}

// exchangeFrames writes the request and reads the answer. A busy peer answers without reading the request, so the answer
// is read even after a failed write.
func exchangeFrames(stream network.Stream, request []byte, maxResponse int) ([]byte, error) {
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
		return readBoundedBody(r, size-1, limit)
	}
	message, err := readBoundedBody(r, size-1, maxErrorMessage)
	if err != nil {
		return nil, err
	}
	return nil, &RemoteError{Code: Code(status), Message: strings.ToValidUTF8(string(message), "?")}
}

// readBoundedBody checks the length that the peer announced before it allocates memory for it.
func readBoundedBody(r io.Reader, size uint32, limit int) ([]byte, error) {
	if uint64(size) > uint64(max(limit, 0)) {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, limit)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	return body, nil
}
