package replay

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/light"
)

// link is the part of a block that the next one continues.
type link struct {
	height remora.Height
	hash   remora.Hash
	subDAG remora.Hash
	time   remora.Millis
}

// followBlock checks that a header continues the chain.
func (a *audit) followBlock(previous link, h *remora.BlockHeader) (link, error) {
	if err := light.CheckHeader(a.committee.Committee, h); err != nil {
		return link{}, err
	}
	switch {
	case h.Height != previous.height+1:
		return link{}, unverified(h, "it comes after block %d", previous.height)
	case h.Parent != previous.hash:
		return link{}, unverified(h, "its parent is %s, block %d is %s", h.Parent, previous.height, previous.hash)
	case h.Time <= previous.time:
		return link{}, unverified(h, "its time %d is not after %d", h.Time, previous.time)
	}
	return link{height: h.Height, hash: h.Hash(), subDAG: h.SubDAG, time: h.Time}, nil
}

// job is a block with the digest of the sub-DAG before it.
type job struct {
	block    *remora.CertifiedBlock
	previous remora.Hash
}

// checkCertificates checks that quorums signed the headers of blocks, all signatures in one equation. A block without a
// certificate of its own is skipped: walkBlocks checks that the parents of a certified one lead to it.
func (a *audit) checkCertificates(jobs []job) error {
	var headers []*remora.BlockHeader
	var certificates []*remora.BlockCertificate
	for _, j := range jobs {
		h, c := &j.block.Block.Header, j.block.Certificate
		if c == nil {
			continue
		}
		if hash := h.Hash(); c.Height != h.Height || c.Hash != hash {
			return unverified(h, "its certificate is for block %d %s, it is %s", c.Height, c.Hash, hash)
		}
		headers, certificates = append(headers, h), append(certificates, c)
	}
	for i, err := range a.committee.CheckBlockCertificates(certificates) {
		if err != nil {
			return unverified(headers[i], "%v", err)
		}
	}
	return nil
}

// checkContent checks that sub-DAG, batches and results of a block are those that its header names. It returns the parsed
// batches.
func (a *audit) checkContent(j job) ([]remora.Batch, error) {
	cb, h := j.block, &j.block.Block.Header
	sub := cb.Block.SubDAG(j.previous)
	switch {
	case sub.Digest(h.Domain) != h.SubDAG:
		return nil, unverified(h, "its headers are not those of sub-DAG %s", h.SubDAG)
	case remora.TxRoot(h.Domain, cb.Block.Batches) != h.TxRoot:
		return nil, unverified(h, "its list of batches is not the one that was signed")
	case remora.ResultsRoot(h.Domain, cb.Block.Results) != h.ResultsRoot:
		return nil, unverified(h, "its results are not the ones that were signed")
	case !h.NextCommittee.IsZero():
		return nil, unverified(h, "it changes the committee, which this version cannot follow")
	case len(cb.Batches) != len(cb.Block.Batches):
		return nil, unverified(h, "it comes with %d of %d batches", len(cb.Batches), len(cb.Block.Batches))
	}
	return parseBatches(cb)
}

func parseBatches(cb *remora.CertifiedBlock) ([]remora.Batch, error) {
	batches := make([]remora.Batch, len(cb.Batches))
	txs := 0
	for i, raw := range cb.Batches {
		b, err := remora.ParseBatch(raw)
		if err != nil {
			return nil, unverified(&cb.Block.Header, "%v", err)
		}
		if b.Digest != cb.Block.Batches[i] {
			return nil, unverified(&cb.Block.Header, "batch %d is %s, the block executed %s", i, b.Digest, cb.Block.Batches[i])
		}
		batches[i] = b
		txs += b.Count
	}
	if txs != len(cb.Block.Results) {
		return nil, unverified(&cb.Block.Header, "%d results for %d transactions", len(cb.Block.Results), txs)
	}
	return batches, nil
}

func unverified(h *remora.BlockHeader, format string, args ...any) error {
	return fmt.Errorf("%w: block %d: "+format, append([]any{ErrUnverified, h.Height}, args...)...)
}
