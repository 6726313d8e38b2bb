package peers

import (
	"errors"
	"fmt"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/trust"
)

// ErrLie marks an answer that no correct peer would give.
var ErrLie = errors.New("the peer's answer does not hold")

// Span is an answer to a question for certified blocks: consecutive ones, checked as far as that needs no state.
type Span struct {
	Peer   remora.Authority
	Blocks []exec.Certified // without batches where they did not come along
	Bytes  int
	Newest remora.Height // of the certified blocks that the peer had; its claim
}

// OpenSpan decodes and checks a peer's answer to a question for blocks, all of it or nothing: a quorum's certificate over
// each header, headers linked by their parents' hashes, and of each block exactly the sub-DAG and the batches that its
// header names. The syncer checks that the first one continues its own chain.
func OpenSpan(committee *trust.Committee, peer remora.Authority, r RangeRequest, raw []byte) (*Span, error) {
	var a BlocksAnswer
	if err := remora.Decode(raw, MaxAnswer, &a); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLie, err)
	}
	if len(a.Items) > int(r.Count) {
		return nil, fmt.Errorf("%w: %d blocks, asked for %d", ErrLie, len(a.Items), r.Count)
	}
	s := &Span{Peer: peer, Blocks: make([]exec.Certified, len(a.Items)), Bytes: len(raw), Newest: a.Newest}
	if len(a.Items) > 0 {
		s.Newest = max(s.Newest, r.From+remora.Height(len(a.Items))-1)
	}
	certificates := make([]*remora.BlockCertificate, len(a.Items))
	for i, item := range a.Items {
		var err error
		if s.Blocks[i], err = openBlock(item, r.From+remora.Height(i)); err == nil && i > 0 {
			err = checkLink(s.Blocks[i].Block, &s.Blocks[i-1].Block.Header)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: block %d: %w", ErrLie, r.From+remora.Height(i), err)
		}
		certificates[i] = s.Blocks[i].Certificate
	}
	for some := range slices.Chunk(certificates, answerStep) {
		for _, err := range committee.CheckBlockCertificates(some) {
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrLie, err)
			}
		}
	}
	return s, nil
}

// openBlock decodes a block and checks what it says of itself.
func openBlock(item []byte, height remora.Height) (exec.Certified, error) {
	cb, err := remora.DecodeCertifiedBlock(item, MaxAnswer)
	if err != nil {
		return exec.Certified{}, err
	}
	h, cert := &cb.Block.Header, cb.Certificate
	switch {
	case h.Height != height:
		return exec.Certified{}, fmt.Errorf("%w: it is block %d", remora.ErrInvalid, h.Height)
	case cert == nil || cert.Height != height || cert.Hash != h.Hash():
		return exec.Certified{}, fmt.Errorf("%w: no certificate, or one for another block", remora.ErrInvalid)
	case remora.TxRoot(h.Domain, cb.Block.Batches) != h.TxRoot:
		return exec.Certified{}, fmt.Errorf("%w: other batches than its header names", remora.ErrInvalid)
	}
	c := exec.Certified{Block: &cb.Block, Certificate: cert}
	if len(cb.Batches) == 0 {
		return c, nil
	}
	if len(cb.Batches) != len(cb.Block.Batches) {
		return c, fmt.Errorf("%w: %d batches, it executes %d", remora.ErrInvalid, len(cb.Batches), len(cb.Block.Batches))
	}
	c.Batches = make([]remora.Batch, len(cb.Batches))
	for i, raw := range cb.Batches {
		if c.Batches[i], err = remora.ParseBatch(raw); err != nil {
			return c, err
		}
		if c.Batches[i].Digest != cb.Block.Batches[i] {
			return c, fmt.Errorf("%w: batch %d is %s, want %s", remora.ErrInvalid, i, c.Batches[i].Digest, cb.Block.Batches[i])
		}
	}
	return c, nil
}

// checkLink checks that a block is the one after previous.
func checkLink(b *remora.Block, previous *remora.BlockHeader) error {
	if parent := previous.Hash(); b.Header.Parent != parent {
		return fmt.Errorf("%w: its parent is %s, block %d before it is %s", remora.ErrInvalid, b.Header.Parent, previous.Height, parent)
	}
	return CheckSubDAG(b, previous.SubDAG)
}

// CheckSubDAG checks that a block's header names the sub-DAG that follows previous.
func CheckSubDAG(b *remora.Block, previous remora.Hash) error {
	sub := b.SubDAG(previous)
	if digest := sub.Digest(b.Header.Domain); digest != b.Header.SubDAG {
		return fmt.Errorf("%w: its sub-DAG is %s, its header names %s", remora.ErrInvalid, digest, b.Header.SubDAG)
	}
	return nil
}
