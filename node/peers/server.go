package peers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/store"
)

// Server answers peers' requests from the store and the views of a node.
type Server struct {
	Domain remora.Domain
	Store  *store.Store
	Head   *head.Head
}

// Handlers returns the requests that every node answers, by protocol.
func (s *Server) Handlers() map[string]p2p.Handler {
	return map[string]p2p.Handler{
		ProtocolCertificates:      s.serveCertificates,
		ProtocolBatches:           s.serveBatches,
		ProtocolHeld:              s.serveHeld,
		ProtocolBlocks:            s.serveBlocks,
		ProtocolBlockCertificates: s.serveBlockCertificates,
		ProtocolTreeNode:          s.serveTreeNode,
		ProtocolChange:            s.serveChange,
	}
}

// encodeItems makes an answer of encoded items.
func encodeItems(items [][]byte) []byte { return remora.Encode(ListAnswer{Items: items}) }

// serveCertificates answers with the named certificates that are stored and their ancestors above a round, parents first.
func (s *Server) serveCertificates(_ context.Context, _ string, request []byte) ([]byte, error) {
	var r CertificateRequest
	if err := remora.Decode(request, maxRequestBytes, &r); err != nil {
		return nil, err
	}
	var all [][]byte
	for round, wanted := r.Round, r.Parents; round > r.Above && len(wanted) > 0 && len(all) < MaxCertificateRange; round-- {
		if len(wanted) > remora.MaxCommittee {
			return nil, fmt.Errorf("%w: %d certificates of one round", remora.ErrInvalid, len(wanted))
		}
		items, parents, err := s.findLayer(round, wanted, MaxCertificateRange-len(all))
		if err != nil {
			return nil, err
		}
		all, wanted = append(items, all...), parents
	}
	return encodeItems(all), nil
}

// findLayer returns up to limit of the wanted certificates of a round, and the parents that they name.
func (s *Server) findLayer(r remora.Round, wanted []remora.Parent, limit int) ([][]byte, []remora.Parent, error) {
	var items [][]byte
	var parents []remora.Parent
	named := map[remora.Parent]bool{}
	for _, w := range wanted[:min(len(wanted), limit)] {
		c, err := s.Store.Certificate(s.Domain, r, w.Author)
		if errors.Is(err, remora.ErrNotFound) || err == nil && c.Digest() != w.Digest {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		items = append(items, remora.Encode(c))
		for _, p := range c.Header.Parents {
			if !named[p] {
				named[p] = true
				parents = append(parents, p)
			}
		}
	}
	return items, parents, nil
}

// serveBatches answers with one item per digest, empty where the batch is not here.
func (s *Server) serveBatches(_ context.Context, _ string, request []byte) ([]byte, error) {
	var r BatchRequest
	if err := remora.Decode(request, maxRequestBytes, &r); err != nil {
		return nil, err
	}
	if len(r.Digests) > MaxBatchRange {
		return nil, fmt.Errorf("%w: %d batches in one request, at most %d", remora.ErrInvalid, len(r.Digests), MaxBatchRange)
	}
	items, size := make([][]byte, len(r.Digests)), 0
	for i, digest := range r.Digests {
		if size > maxAnswerBlocks {
			break // the rest is asked for again
		}
		raw, err := s.Store.Batch(digest)
		if err == nil {
			items[i] = raw
			size += len(raw)
		} else if !errors.Is(err, remora.ErrNotFound) && !errors.Is(err, remora.ErrCorrupt) {
			return nil, err
		}
	}
	return encodeItems(items), nil
}

// serveHeld answers with the digests of those batches that are durable here.
func (s *Server) serveHeld(_ context.Context, _ string, request []byte) ([]byte, error) {
	var r BatchRequest
	if err := remora.Decode(request, maxRequestBytes, &r); err != nil {
		return nil, err
	}
	var items [][]byte
	for _, digest := range r.Digests {
		if s.Store.HasBatch(digest) {
			items = append(items, digest[:])
		}
	}
	if err := s.Store.SyncBatches(); err != nil {
		return nil, err
	}
	return encodeItems(items), nil
}

// serveBlocks answers with consecutive certified blocks, as many as fit.
func (s *Server) serveBlocks(ctx context.Context, _ string, request []byte) ([]byte, error) {
	r, err := decodeRange(request)
	if err != nil {
		return nil, err
	}
	if err := s.awaitCertificate(ctx, r); err != nil {
		return nil, err
	}
	var a BlocksAnswer
	size := 0
	for h := r.From; h < r.From+remora.Height(r.Count) && h <= s.Store.Height() && size < maxAnswerBlocks; h++ {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		item, err := s.encodeBlock(h)
		if err != nil {
			return nil, err
		}
		if item == nil || len(item) > maxItem || len(a.Items) > 0 && size+len(item) > maxAnswerBlocks {
			break
		}
		a.Items = append(a.Items, item)
		size += len(item)
	}
	if a.Newest, err = s.findNewestCertified(); err != nil {
		return nil, err
	}
	return remora.Encode(a), nil
}

// encodeBlock returns an encoded certified block, nil without a certificate here. Batches that are too large for an answer, or
// not all here, are left out: the peer asks for them.
func (s *Server) encodeBlock(h remora.Height) ([]byte, error) {
	cb, err := s.Store.CertifiedBlock(h)
	if errors.Is(err, remora.ErrNotFound) || errors.Is(err, remora.ErrCorrupt) {
		cb, err = s.findBareBlock(h)
	}
	if err != nil || cb.Certificate == nil {
		return nil, err
	}
	item := remora.Encode(cb)
	if len(item) > maxAnswerBlocks {
		cb.Batches = nil
		item = remora.Encode(cb)
	}
	return item, nil
}

// findBareBlock returns a block with its certificate and without its batches.
func (s *Server) findBareBlock(h remora.Height) (*remora.CertifiedBlock, error) {
	block, err := s.Store.Block(h)
	if err != nil {
		return nil, err
	}
	cert, err := s.Store.BlockCertificate(h)
	return &remora.CertifiedBlock{Block: *block, Certificate: cert}, err
}

// findNewestCertified returns the height of the newest certified block, 0 if it is not near the tip.
func (s *Server) findNewestCertified() (remora.Height, error) {
	height := s.Store.Height()
	for h := height; h > 0 && h+MaxBlockRange > height; h-- {
		if c, err := s.Store.BlockCertificate(h); c != nil || err != nil {
			return h, err
		}
	}
	return 0, nil
}

// awaitCertificate waits as long as the request allows for the first block's certificate, unless it is here or far away. A
// question that waits holds no slot.
func (s *Server) awaitCertificate(ctx context.Context, r RangeRequest) error {
	c, err := s.Store.BlockCertificate(r.From)
	if c != nil || err != nil || r.Wait == 0 || r.From > s.Store.Height()+MaxBlockRange {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, min(maxPatience, time.Duration(r.Wait)*time.Millisecond))
	defer cancel()
	err = p2p.Await(ctx, func() error {
		return s.Head.Until(limited, func() (bool, error) {
			c, err := s.Store.BlockCertificate(r.From)
			return c != nil, err
		})
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil // the answer is empty
	}
	return err
}

// serveBlockCertificates answers with one certificate per height, empty where none is stored.
func (s *Server) serveBlockCertificates(_ context.Context, _ string, request []byte) ([]byte, error) {
	r, err := decodeRange(request)
	if err != nil {
		return nil, err
	}
	items := make([][]byte, r.Count)
	for i := range items {
		c, err := s.Store.BlockCertificate(r.From + remora.Height(i))
		if err != nil {
			return nil, err
		}
		if c != nil {
			items[i] = remora.Encode(c)
		}
	}
	return encodeItems(items), nil
}

func decodeRange(request []byte) (RangeRequest, error) {
	var r RangeRequest
	if err := remora.Decode(request, maxRequestBytes, &r); err != nil {
		return r, err
	}
	if r.From == 0 || r.From > 1<<62 || r.Count == 0 || r.Count > MaxBlockRange {
		return r, fmt.Errorf("%w: heights from %d, %d of them: want a height from 1 and 1 to %d",
			remora.ErrInvalid, r.From, r.Count, MaxBlockRange)
	}
	return r, nil
}
