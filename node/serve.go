package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/state"
)

// server answers peers' requests from the store: the DAG's certificates, batches, certified blocks.
type server struct {
	chainID string
	store   *store.Store
	head    *head.Head
	machine *state.Machine
	submit  func(ctx context.Context, txs [][]byte) ([]remora.Hash, error) // nil: this node passes nothing on

	committee *trust.Committee
	depth     remora.Round // of garbage collection
	heard     *heard       // nil at a node that does not vote
}

func (s *server) handlers() map[string]p2p.Handler {
	handlers := map[string]p2p.Handler{
		askCertificates:      s.certificates,
		askBatches:           s.batches,
		askBlocks:            s.blocks,
		askBlockCertificates: s.blockCertificates,
		askTreeNode:          s.treeNode,
		askChange:            s.change,
	}
	if s.submit != nil {
		handlers[askSubmit] = s.submissions
	}
	if s.heard != nil {
		handlers[askTip] = s.tip
	}
	return handlers
}

// submissions admits transactions that a follower passes on and answers with the digest of each one's batch, durable
// here. One that is not admitted refuses all.
func (s *server) submissions(ctx context.Context, _ string, request []byte) ([]byte, error) {
	var r listAnswer
	if err := remora.Decode(request, maxSubmitBytes, &r); err != nil {
		return nil, &p2p.RemoteError{Code: p2p.CodeInvalid, Message: err.Error()}
	}
	view := s.head.Newest()
	defer view.Release() //nolint:errcheck // the engine reports what freeing a snapshot may fail with
	verifier := exec.NewVerifier()
	for _, raw := range r.Items {
		if err := s.machine.Admit(view.View, raw, verifier); err != nil {
			return nil, &p2p.RemoteError{Code: p2p.CodeInvalid, Message: err.Error()}
		}
	}
	digests, err := s.submit(ctx, r.Items)
	if err != nil {
		return nil, &p2p.RemoteError{Code: p2p.CodeBusy, Message: err.Error()}
	}
	items := make([][]byte, len(digests))
	for i := range digests {
		items[i] = digests[i][:]
	}
	return answer(items), nil
}

func answer(items [][]byte) []byte { return remora.Encode(listAnswer{Items: items}) }

// certificates answers with the named certificates that are stored and their ancestors above a round, parents first.
func (s *server) certificates(_ context.Context, _ string, request []byte) ([]byte, error) {
	var r certificateRequest
	if err := remora.Decode(request, maxRequestBytes, &r); err != nil {
		return nil, err
	}
	var layers [][][]byte
	total, layer, wanted := 0, r.Round, r.Parents
	for layer > r.Above && len(wanted) > 0 && total < maxCertificateRange {
		if len(wanted) > remora.MaxCommittee {
			return nil, fmt.Errorf("%w: %d certificates of one round", remora.ErrInvalid, len(wanted))
		}
		items, parents, err := s.layer(layer, wanted, maxCertificateRange-total)
		if err != nil {
			return nil, err
		}
		layers = append(layers, items)
		total += len(items)
		layer, wanted = layer-1, parents
	}
	var all [][]byte
	for i := len(layers) - 1; i >= 0; i-- {
		all = append(all, layers[i]...)
	}
	return answer(all), nil
}

// layer returns up to limit of the wanted certificates of a round, and the parents that they name.
func (s *server) layer(r remora.Round, wanted []remora.Parent, limit int) ([][]byte, []remora.Parent, error) {
	var items [][]byte
	var parents []remora.Parent
	named := map[remora.Parent]bool{}
	for _, w := range wanted[:min(len(wanted), limit)] {
		c, err := s.store.Certificate(s.chainID, r, w.Author)
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

// batches answers with one item per digest, empty where the batch is not here.
func (s *server) batches(_ context.Context, _ string, request []byte) ([]byte, error) {
	var r batchRequest
	if err := remora.Decode(request, maxRequestBytes, &r); err != nil {
		return nil, err
	}
	if len(r.Digests) > maxBatchRange {
		return nil, fmt.Errorf("%w: %d batches in one request, at most %d", remora.ErrInvalid, len(r.Digests), maxBatchRange)
	}
	items, size := make([][]byte, len(r.Digests)), 0
	for i, digest := range r.Digests {
		if size > maxAnswerBlocks {
			break // the rest is asked for again
		}
		raw, err := s.store.Batch(digest)
		if err == nil {
			items[i] = raw
			size += len(raw)
		} else if !errors.Is(err, remora.ErrNotFound) && !errors.Is(err, remora.ErrCorrupt) {
			return nil, err
		}
	}
	return answer(items), nil
}

// blocks answers with consecutive certified blocks, as many as fit.
func (s *server) blocks(ctx context.Context, _ string, request []byte) ([]byte, error) {
	r, err := decodeRange(request)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, r); err != nil {
		return nil, err
	}
	var a blocksAnswer
	size := 0
	for h := r.From; h < r.From+remora.Height(r.Count) && h <= s.store.Height() && size < maxAnswerBlocks; h++ {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		item, err := s.block(h)
		if err != nil {
			return nil, err
		}
		if item == nil || len(a.Items) > 0 && size+len(item) > maxAnswerBlocks {
			break
		}
		a.Items = append(a.Items, item)
		size += len(item)
	}
	if a.Newest, err = s.newestCertified(); err != nil {
		return nil, err
	}
	return remora.Encode(a), nil
}

// block returns an encoded certified block, nil when it has no certificate here. One whose batches are too large to go
// with others, or not all here, goes without: whoever syncs asks for its batches.
func (s *server) block(h remora.Height) ([]byte, error) {
	cb, err := s.store.CertifiedBlock(h)
	if errors.Is(err, remora.ErrNotFound) || errors.Is(err, remora.ErrCorrupt) {
		cb, err = s.bareBlock(h)
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

func (s *server) bareBlock(h remora.Height) (*remora.CertifiedBlock, error) {
	block, err := s.store.Block(h)
	if err != nil {
		return nil, err
	}
	cert, err := s.store.BlockCertificate(h)
	return &remora.CertifiedBlock{Block: *block, Certificate: cert}, err
}

// newestCertified returns the height of the newest block that has its certificate, as far as that is near the tip.
func (s *server) newestCertified() (remora.Height, error) {
	height := s.store.Height()
	for h := height; h > 0 && h+maxBlockRange > height; h-- {
		if c, err := s.store.BlockCertificate(h); c != nil || err != nil {
			return h, err
		}
	}
	return 0, nil
}

// await waits as long as the request allows for the first block's certificate.
func (s *server) await(ctx context.Context, r rangeRequest) error {
	if r.Wait == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, min(maxPatience, time.Duration(r.Wait)*time.Millisecond))
	defer cancel()
	err := s.head.Until(limited, func() (bool, error) {
		c, err := s.store.BlockCertificate(r.From)
		return c != nil, err
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil // the answer is empty
	}
	return err
}

// blockCertificates answers with one certificate per height, empty where none is stored.
func (s *server) blockCertificates(_ context.Context, _ string, request []byte) ([]byte, error) {
	r, err := decodeRange(request)
	if err != nil {
		return nil, err
	}
	items := make([][]byte, r.Count)
	for i := range items {
		c, err := s.store.BlockCertificate(r.From + remora.Height(i))
		if err != nil {
			return nil, err
		}
		if c != nil {
			items[i] = remora.Encode(c)
		}
	}
	return answer(items), nil
}

func decodeRange(request []byte) (rangeRequest, error) {
	var r rangeRequest
	if err := remora.Decode(request, maxRequestBytes, &r); err != nil {
		return r, err
	}
	if r.From == 0 || r.From > 1<<62 || r.Count == 0 || r.Count > maxBlockRange {
		return r, fmt.Errorf("%w: heights from %d, %d of them: want a height from 1 and 1 to %d", remora.ErrInvalid, r.From, r.Count, maxBlockRange)
	}
	return r, nil
}
