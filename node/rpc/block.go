package rpc

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/http"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/light"
	"github.com/remora-network/remora/node/web"
)

func (s *Server) readBlock(_ context.Context, q client.BlockQuery) (*client.Block, error) {
	h := q.Height
	if h == 0 {
		return nil, notFound("height 0 is the genesis; blocks start at 1")
	}
	block, err := s.Store.Block(h)
	if err != nil {
		return nil, err
	}
	certificate, err := s.Store.BlockCertificate(h)
	if err != nil {
		return nil, err
	}
	header := &block.Header
	doc := &client.Block{
		Version: header.Version, ChainID: s.Genesis.ChainID,
		Height: header.Height, Epoch: header.Epoch, Term: header.Term, Time: header.Time,
		Hash: header.Hash(), Parent: header.Parent, SubDAG: header.SubDAG,
		TxRoot: header.TxRoot, ResultsRoot: header.ResultsRoot, StateRoot: header.StateRoot,
		Beacon: client.Seed{Step: header.Beacon.Step, Hash: header.Beacon.Hash},
		Txs:    len(block.Results), Results: map[string]int{}, Batches: emptyIfNil(block.Batches),
		Headers: len(block.DAG), Leader: s.memberName(block.DAG[len(block.DAG)-1].Author),
		Certificate: s.certificateDocument(certificate),
	}
	if !header.NextCommittee.IsZero() {
		doc.NextCommittee = &header.NextCommittee
	}
	for _, code := range block.Results {
		doc.Results[remora.Code(code).String()]++
	}
	return doc, nil
}

func emptyIfNil(hashes []remora.Hash) []remora.Hash {
	if hashes == nil {
		return []remora.Hash{}
	}
	return hashes
}

func (s *Server) memberName(a remora.Authority) string {
	if !s.committee.Has(a) {
		return ""
	}
	return s.committee.Members[a].Name
}

func (s *Server) certificateDocument(c *remora.BlockCertificate) *client.Certificate {
	if c == nil || c.Signers.Check(s.committee.Size()) != nil {
		return nil
	}
	doc := &client.Certificate{Signers: []string{}, Stake: s.committee.StakeOf(c.Signers), Quorum: s.committee.Quorum()}
	for a := range c.Signers.Members() {
		doc.Signers = append(doc.Signers, s.memberName(a))
	}
	return doc
}

func milliseconds(n uint64) time.Duration { return time.Duration(n) * time.Millisecond }

// waitUntil waits until ready holds, for at most wait; then it returns false. It fails when too many requests wait.
func (s *Server) waitUntil(ctx context.Context, wait time.Duration, ready func() (bool, error)) (bool, error) {
	ok, err := ready()
	if ok || err != nil || wait <= 0 {
		return ok, err
	}
	leave, ok := web.ClientOf(ctx).TakeWait()
	if !ok {
		return false, web.BusyError("waits")
	}
	defer leave()
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err = s.Head.Until(limited, func() (bool, error) {
		ok, err = ready()
		return ok, err
	})
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return false, nil
	}
	return ok, err
}

// awaitCertificate returns the certificate of a block, waiting for it.
func (s *Server) awaitCertificate(ctx context.Context, h remora.Height, wait time.Duration) (*remora.BlockCertificate, error) {
	if h == 0 {
		return nil, notFound("height 0 is the genesis; blocks start at 1")
	}
	var certificate *remora.BlockCertificate
	found, err := s.waitUntil(ctx, wait, func() (bool, error) {
		var err error
		certificate, err = s.Store.BlockCertificate(h)
		return certificate != nil && h <= s.Store.Height(), err
	})
	if err == nil && !found {
		if newest := s.Store.Height(); h > newest {
			return nil, notFound("block %d: the newest is %d", h, newest)
		}
		err = notCertified("no certificate of block %d has formed yet", h)
	}
	return certificate, err
}

func notCertified(format string, args ...any) *client.Error {
	return newError(409, client.CodeNotCertified, format, args...)
}

func (s *Server) proveBlock(ctx context.Context, q client.CertifiedQuery) (*light.BlockProof, error) {
	certificate, err := s.awaitCertificate(ctx, q.Height, milliseconds(q.WaitMS))
	if err != nil {
		return nil, err
	}
	block, err := s.Store.Block(q.Height)
	if err != nil {
		return nil, err
	}
	return light.ProveBlock(&block.Header, light.Certify(&block.Header, certificate, s.committee)), nil
}

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
