package p2p

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"runtime/debug"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// requestSlots bounds the requests served at once, per peer and in total.
type requestSlots struct {
	perPeer, total int

	mu     sync.Mutex
	used   int
	guests int             // of used
	byPeer map[peer.ID]int // at most total entries
}

func newRequestSlots(perPeer, total int) *requestSlots {
	return &requestSlots{perPeer: perPeer, total: total, byPeer: make(map[peer.ID]int)}
}

// takeSlot reserves a slot and reports whether there was one. Guests together get at most half of the slots, so that they
// cannot lock out the known peers.
func (s *requestSlots) takeSlot(id peer.ID, guest bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used >= s.total || s.byPeer[id] >= s.perPeer || guest && s.guests >= s.total/2 {
		return false
	}
	s.used++
	s.byPeer[id]++
	if guest {
		s.guests++
	}
	return true
}

func (s *requestSlots) releaseSlot(id peer.ID, guest bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	if s.byPeer[id]--; s.byPeer[id] == 0 {
		delete(s.byPeer, id)
	}
	if guest {
		s.guests--
	}
}

// serveRequest answers one request. One RequestTimeout covers reading and handling it, another one the writing of the
// answer, so a requester that neither writes nor reads holds its slot for at most twice that time.
func (h *Host) serveRequest(ctx context.Context, name string, handler Handler, stream network.Stream) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.RequestTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if err := stream.SetDeadline(deadline); err != nil {
		_ = stream.Reset()
		return
	}
	id := stream.Conn().RemotePeer()
	guest := h.remotes[id] == nil
	if !h.requests.takeSlot(id, guest) {
		h.writeReply(stream, nil, &RemoteError{Code: CodeBusy, Message: "too many requests at once"})
		return
	}
	defer h.requests.releaseSlot(id, guest)
	request, err := readRequest(stream, h.cfg.MaxRequest)
	if err != nil {
		h.writeReply(stream, nil, &RemoteError{Code: CodeInvalid, Message: err.Error()})
		return
	}
	answer, err := h.callHandler(ctx, name, handler, id, request)
	h.writeReply(stream, answer, err)
}

func readRequest(r io.Reader, limit int) ([]byte, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	return readBoundedBody(r, binary.BigEndian.Uint32(head[:]), limit)
}

// callHandler runs the handler. A panic in it becomes an error answer and does not end the process.
func (h *Host) callHandler(ctx context.Context, name string, handler Handler, id peer.ID, request []byte) (answer []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("request handler panicked", slog.Any("protocol", name), slog.String("peer", id.String()), slog.Any("panic", p), slog.Any("stack", string(debug.Stack())))
			answer, err = nil, errors.New("internal error")
		}
	}()
	return handler(ctx, id.String(), request)
}

// writeReply writes the answer or the error, and ends the stream.
func (h *Host) writeReply(stream network.Stream, answer []byte, failure error) {
	if len(answer) > math.MaxUint32-1 {
		answer, failure = nil, fmt.Errorf("%w: the answer", ErrTooLarge)
	}
	status := byte(statusOK)
	if failure != nil {
		h.failed.Add(1)
		status, answer = errorAnswer(failure)
	} else {
		h.served.Add(1)
	}
	w := bufio.NewWriter(stream)
	var head [headerSize + 1]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(answer)+1))
	head[headerSize] = status
	err := stream.SetWriteDeadline(time.Now().Add(h.cfg.RequestTimeout))
	if err == nil {
		_, err = w.Write(head[:])
	}
	if err == nil {
		_, err = w.Write(answer)
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		_ = stream.Reset()
		return
	}
	_ = stream.Close()
}

func errorAnswer(err error) (byte, []byte) {
	code, message := CodeFailed, err.Error()
	if remote, ok := errors.AsType[*RemoteError](err); ok && remote.Code != statusOK {
		code, message = remote.Code, remote.Message
	} else if errors.Is(err, ErrNotFound) {
		code = CodeNotFound
	}
	return byte(code), []byte(message[:min(len(message), maxErrorMessage)])
}
