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
	if _, err := s.awaitCertificate(r.Context(), q.Height, milliseconds(q.WaitMS)); err != nil {
		return err
	}
	raw, err := s.encodeCertified(r.Context(), q.Height)
	if err != nil {
		return err
	}
	extendDeadline(w, writeTimeout)
	w.Header().Set("Content-Type", "application/cbor")
	_, _ = w.Write(raw)
	return nil
}

func (s *Server) encodeCertified(ctx context.Context, h remora.Height) ([]byte, error) {
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
		if h >= min(covered, to) {
			_, err = s.awaitCertificate(r.Context(), h, 0)
		}
		var raw []byte
		if err == nil {
			raw, err = s.encodeCertified(r.Context(), h)
		}
		if err != nil && sent > 0 {
			s.Logger.DebugContext(r.Context(), "range of blocks ended early", slog.Any("reason", err))
			return nil // the reader asks for the rest and gets the error then
		}
		if err != nil {
			return err
		}
		if sent == 0 {
			w.Header().Set("Content-Type", "application/octet-stream")
		}
		extendDeadline(w, writeTimeout)
		_, err = w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(raw))))
		if err == nil {
			_, err = w.Write(raw)
		}
		if err != nil {
			return nil //nolint:nilerr // the reader left
		}
		sent += len(raw)
	}
	return nil
}
