package node

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/trust"
)

// errLie marks an answer that no correct peer gives.
var errLie = errors.New("the peer's answer does not hold")

// span is an answer to a question for certified blocks: consecutive ones, checked as far as that needs no state.
type span struct {
	peer   remora.Authority
	blocks []exec.Certified // without batches where they did not come along
	bytes  int
	newest remora.Height // of the certified blocks that the peer had; its claim
}

// openSpan decodes and checks an answer of blocks from a height on, all of it or nothing: a quorum's certificate over each
// header, headers linked by their parents' hashes, and of each block exactly the sub-DAG and the batches that its header
// names. Whether the first one continues the own chain is for join to say.
func openSpan(committee *trust.Committee, from remora.Height, limit int, raw []byte) (*span, error) {
	var a blocksAnswer
	if err := remora.Decode(raw, maxAnswer, &a); err != nil {
		return nil, fmt.Errorf("%w: %w", errLie, err)
	}
	if len(a.Items) > limit {
		return nil, fmt.Errorf("%w: %d blocks, asked for %d", errLie, len(a.Items), limit)
	}
	s := &span{blocks: make([]exec.Certified, len(a.Items)), bytes: len(raw), newest: a.Newest}
	if len(a.Items) > 0 {
		s.newest = max(s.newest, from+remora.Height(len(a.Items))-1)
	}
	certificates := make([]*remora.BlockCertificate, len(a.Items))
	for i, item := range a.Items {
		var err error
		if s.blocks[i], err = openBlock(item, from+remora.Height(i)); err == nil && i > 0 {
			err = follows(&s.blocks[i].Block.Header, s.blocks[i].Block.DAG, &s.blocks[i-1].Block.Header)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: block %d: %w", errLie, from+remora.Height(i), err)
		}
		certificates[i] = s.blocks[i].Certificate
	}
	for _, err := range committee.BlockCertificates(certificates) {
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errLie, err)
		}
	}
	return s, nil
}

// openBlock decodes a block and checks what it says of itself.
func openBlock(item []byte, height remora.Height) (exec.Certified, error) {
	cb, err := remora.DecodeCertifiedBlock(item, maxAnswer)
	if err != nil {
		return exec.Certified{}, err
	}
	h, cert := &cb.Block.Header, cb.Certificate
	switch {
	case h.Height != height:
		return exec.Certified{}, fmt.Errorf("%w: it is block %d", remora.ErrInvalid, h.Height)
	case cert == nil || cert.Height != height || cert.Hash != h.Hash():
		return exec.Certified{}, fmt.Errorf("%w: no certificate, or one for another block", remora.ErrInvalid)
	case remora.TxRoot(h.ChainID, cb.Block.Batches) != h.TxRoot:
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

// follows checks that a header, over a sub-DAG, is of the block after previous.
func follows(h *remora.BlockHeader, dag []*remora.Header, previous *remora.BlockHeader) error {
	if parent := previous.Hash(); h.Parent != parent {
		return fmt.Errorf("%w: its parent is %s, block %d before it is %s", remora.ErrInvalid, h.Parent, previous.Height, parent)
	}
	return ordered(h, dag, previous.SubDAG)
}

// ordered checks that a header names the sub-DAG that follows previous.
func ordered(h *remora.BlockHeader, dag []*remora.Header, previous remora.Hash) error {
	sub := remora.SubDAG{Headers: dag, Previous: previous}
	if digest := sub.Digest(h.ChainID); digest != h.SubDAG {
		return fmt.Errorf("%w: its sub-DAG is %s, its header names %s", remora.ErrInvalid, digest, h.SubDAG)
	}
	return nil
}
