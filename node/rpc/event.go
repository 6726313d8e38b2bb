package rpc

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/web"
)

// heartbeat is the interval of comments in an idle stream. A failed one reveals a reader that left.
const heartbeat = 15 * time.Second

// serveEvents streams one event per executed block. A subscriber has no queue: it reads from the store at its own pace and
// is dropped when it stops reading.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, q client.EventQuery) error {
	next := s.firstEventHeight(q)
	leave, ok := web.ClientOf(r.Context()).TakeSubscription()
	if !ok {
		return web.BusyError("subscriptions")
	}
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	for {
		if out.Flush() != nil {
			return nil
		}
		event, err := s.awaitEvent(r.Context(), next)
		if r.Context().Err() != nil {
			return nil
		}
		if err != nil {
			s.Logger.ErrorContext(r.Context(), "stream of events ended", slog.Uint64("height", uint64(next)), slog.Any("error", err))
			return nil
		}
		if event == nil {
			_, err = w.Write([]byte(":\n\n"))
		} else {
			err = writeEvent(w, event)
			next++
		}
		if err != nil {
			return nil //nolint:nilerr // the subscriber left or stopped reading
		}
	}
}

// firstEventHeight returns the first height of a stream: the one after the last event that the subscriber saw, the one it
// asks for, or that of the next block.
func (s *Server) firstEventHeight(q client.EventQuery) remora.Height {
	switch {
	case q.Last != nil:
		return *q.Last + 1
	case q.From != nil:
		return max(*q.From, 1)
	}
	return s.Head.Tip().Height + 1
}

// awaitEvent waits for the block at a height. It returns nil when a heartbeat is due.
func (s *Server) awaitEvent(ctx context.Context, h remora.Height) (*client.Event, error) {
	limited, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	err := s.Head.Until(limited, func() (bool, error) { return s.Head.Tip().Height >= h, nil })
	if err != nil {
		return nil, ctx.Err()
	}
	block, err := s.recentBlock(h)
	if err != nil {
		return nil, err
	}
	return &client.Event{
		Height: h, Hash: block.Header.Hash(), Time: block.Header.Time, Epoch: block.Header.Epoch,
		Txs: len(block.Results), Batches: emptyIfNil(block.Batches),
	}, nil
}

// recentBlock returns a block, the newest from memory and others from the store.
func (s *Server) recentBlock(h remora.Height) (*remora.Block, error) {
	view := s.Head.Newest()
	defer view.Release()
	if view.Block != nil && view.Tip.Height == h {
		return view.Block, nil
	}
	return s.Store.Block(h)
}

func writeEvent(w http.ResponseWriter, e *client.Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "id: %d\nevent: block\ndata: %s\n\n", e.Height, data)
	return err
}
