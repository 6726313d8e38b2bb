package rpc

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/http"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
)

// Bounds of one answer with a range of blocks. Its reader asks for the rest.
const (
	maxRangeBlocks = 1000
	maxRangeBytes  = 64 << 20
)

// serveCertified sends a block with its batches and its certificate, as canonical CBOR.
func (s *Server) serveCertified(w http.ResponseWriter, r *http.Request, q client.CertifiedQuery) error {
	raw, err := s.encodeCertified(r.Context(), q.Height, func() error {
		_, err := s.awaitCertificate(r.Context(), q.Height, milliseconds(q.WaitMS))
		return err
	})
	if err != nil {
		return err
	}
	extendDeadline(w, writeTimeout)
	w.Header().Set("Content-Type", "application/cbor")
	_, _ = w.Write(raw)
	return nil
}

func (s *Server) encodeCertified(ctx context.Context, h remora.Height, ready func() error) ([]byte, error) {
	if err := ready(); err != nil {
		return nil, err
	}
	cb, err := s.Store.CertifiedBlock(h)
	if err != nil {
		return nil, err
	}
	return remora.Encode(cb), ctx.Err()
}

// serveBlocks sends certified blocks, each after its length as four bytes, big endian. It ends early when the answer is
// large and where certificates end. A block before the last may lack its own certificate, because that of a later block
// covers it.
func (s *Server) serveBlocks(w http.ResponseWriter, r *http.Request, q client.RangeQuery) error {
	from, to := q.From, q.To
	if from == 0 || to < from {
		return badRequest("blocks %d to %d: want 1 <= from <= to", from, to)
	}
	covered, err := s.certifiedHeight(s.Head.Tip().Height)
	if err != nil {
		return err
	}
	sent := 0
	for h := from; h <= to && h-from < maxRangeBlocks && sent < maxRangeBytes; h++ {
		raw, err := s.encodeCertified(r.Context(), h, func() error {
			if h < min(covered, to) {
				return nil
			}
			_, err := s.awaitCertificate(r.Context(), h, 0)
			return err
		})
		if err != nil {
			return s.endRange(r.Context(), err, sent > 0)
		}
		if sent == 0 {
			w.Header().Set("Content-Type", "application/octet-stream")
		}
		extendDeadline(w, writeTimeout)
		if _, err := w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(raw)))); err != nil {
			return s.endRange(r.Context(), nil, true)
		}
		if _, err := w.Write(raw); err != nil {
			return s.endRange(r.Context(), nil, true)
		}
		sent += len(raw)
	}
	return nil
}

// endRange ends an answer at a block that could not be sent. Before the first block it returns the error. After it the
// stream just ends: the reader asks for the rest and gets the error then.
func (s *Server) endRange(ctx context.Context, err error, started bool) error {
	if started {
		if err != nil {
			s.Logger.DebugContext(ctx, "range of blocks ended early", slog.Any("reason", err))
		}
		return nil
	}
	return err
}
