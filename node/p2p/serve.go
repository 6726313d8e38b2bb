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
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

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
	by := claimant{class: h.gate.classOf(id), peer: id, source: sourceOf(stream.Conn().RemoteMultiaddr())}
	if err := h.admitRequest(by); err != nil {
		h.writeReply(stream, nil, err)
		return
	}
	slot := &lease{host: h, by: by, held: true}
	defer slot.release()
	h.gate.beginUse(stream.Conn())
	defer h.gate.endUse(stream.Conn())
	ctx = context.WithValue(ctx, leaseKey{}, slot)
	request, err := readRequest(stream, h.cfg.MaxRequest)
	if err != nil {
		h.writeReply(stream, nil, &RemoteError{Code: CodeInvalid, Message: err.Error()})
		return
	}
	answer, err := h.callHandler(ctx, name, handler, id, request)
	h.writeReply(stream, answer, err)
}

// admitRequest takes a slot for a request. Guests may ask only so often, each of them and all of one address.
func (h *Host) admitRequest(by claimant) error {
	if by.class == guest {
		now := h.gate.now()
		if !h.guestPace.spendOne(by.peer, 1, now) || !h.sourcePace.spendOne(by.source, 1, now) {
			h.recordHit(limitRate, by)
			return &RemoteError{Code: CodeBusy, Message: "too many requests a second"}
		}
	}
	if !h.requests.takeSlot(by) {
		h.recordHit(limitRequests, by)
		return &RemoteError{Code: CodeBusy, Message: "too many requests at once"}
	}
	return nil
}

// recordHit records that a peer hit a limit: a guest by its address, others by their id.
func (h *Host) recordHit(limit string, by claimant) {
	who := by.peer.String()
	if by.class == guest {
		who = sourceName(by.source)
	}
	h.cfg.Hits.RecordHit(limit, who)
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
