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

// slots bounds the requests served at once, per peer and together.
type slots struct {
	perPeer, total int

	mu     sync.Mutex
	used   int
	guests int             // of used
	by     map[peer.ID]int // at most total entries
}

func newSlots(perPeer, total int) *slots {
	return &slots{perPeer: perPeer, total: total, by: make(map[peer.ID]int)}
}

// take reports whether there is room. Guests together get half of it, so that they cannot shut the known peers out.
func (s *slots) take(id peer.ID, guest bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used >= s.total || s.by[id] >= s.perPeer || guest && s.guests >= s.total/2 {
		return false
	}
	s.used++
	s.by[id]++
	if guest {
		s.guests++
	}
	return true
}

func (s *slots) release(id peer.ID, guest bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	if s.by[id]--; s.by[id] == 0 {
		delete(s.by, id)
	}
	if guest {
		s.guests--
	}
}

// serve answers one request. One deadline covers reading and answering it and one more the writing, so a requester that
// neither writes nor reads holds its slot for no longer than that.
func (h *Host) serve(ctx context.Context, name string, handler Handler, stream network.Stream) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.RequestTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if err := stream.SetDeadline(deadline); err != nil {
		_ = stream.Reset()
		return
	}
	id := stream.Conn().RemotePeer()
	guest := h.remotes[id] == nil
	if !h.requests.take(id, guest) {
		h.reply(stream, nil, &RemoteError{Code: CodeBusy, Message: "too many requests at once"})
		return
	}
	defer h.requests.release(id, guest)
	request, err := readRequest(stream, h.cfg.MaxRequest)
	if err != nil {
		h.reply(stream, nil, &RemoteError{Code: CodeInvalid, Message: err.Error()})
		return
	}
	answer, err := h.call(ctx, name, handler, id, request)
	h.reply(stream, answer, err)
}

func readRequest(r io.Reader, limit int) ([]byte, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	return readBody(r, binary.BigEndian.Uint32(head[:]), limit)
}

// call runs the handler. A panic there costs the requester its answer, not us the node.
func (h *Host) call(ctx context.Context, name string, handler Handler, id peer.ID, request []byte) (answer []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("request handler panicked", slog.Any("protocol", name), slog.String("peer", id.String()), slog.Any("panic", p), slog.Any("stack", string(debug.Stack())))
			answer, err = nil, errors.New("internal error")
		}
	}()
	return handler(ctx, id.String(), request)
}

// reply writes the answer or the error, and ends the stream.
func (h *Host) reply(stream network.Stream, answer []byte, failure error) {
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
