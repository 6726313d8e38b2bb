package chaos

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
)

// slot is an author and a round, for which the author may sign one header.
type slot struct {
	author remora.Authority
	round  remora.Round
}

// chain holds what one validator executed. It is read block by block, and nothing but the sequence is trusted.
type chain struct {
	domain remora.Domain
	hashes []remora.Hash   // of the blocks, by height - 1
	times  []remora.Millis // of the blocks
	runs   []Run           // in order of execution
	signed map[slot]remora.Hash
	faults []string
}

func newChain(d remora.Domain) *chain { return &chain{domain: d, signed: map[slot]remora.Hash{}} }

// Times returns the times of the blocks in order.
func (c *Checked) Times() []time.Time {
	times := make([]time.Time, len(c.chain.times))
	for i, ms := range c.chain.times {
		times[i] = time.UnixMilli(int64(ms))
	}
	return times
}

func (c *chain) tipHeight() remora.Height { return remora.Height(len(c.hashes)) }

// readBlocks reads the blocks up to a height for which the node has a certificate.
func (c *chain) readBlocks(ctx context.Context, node *client.Client, to remora.Height) error {
	if to <= c.tipHeight() {
		return nil
	}
	return node.CertifiedBlocks(ctx, c.tipHeight()+1, to, c.addBlock)
}

// addBlock adds the next block. Its header has to follow from its content.
func (c *chain) addBlock(cb *remora.CertifiedBlock) error {
	b, h := &cb.Block, &cb.Block.Header
	if n := len(c.hashes); n > 0 && (h.Parent != c.hashes[n-1] || h.Time <= c.times[n-1]) {
		c.noteFault("block %d of time %d has parent %s; block %d is %s of time %d", h.Height, h.Time, h.Parent, n, c.hashes[n-1], c.times[n-1])
	}
	if h.TxRoot != remora.TxRoot(c.domain, b.Batches) || h.ResultsRoot != remora.ResultsRoot(c.domain, b.Results) {
		c.noteFault("block %d: its roots are not those of its batches and results", h.Height)
	}
	c.hashes, c.times = append(c.hashes, h.Hash()), append(c.times, h.Time)
	for _, header := range b.DAG {
		at := slot{header.Author, header.Round}
		if first, seen := c.signed[at]; seen {
			c.noteFault("authority %d has headers %s and %s of round %d in blocks", header.Author, first, header.Digest(), header.Round)
		}
		c.signed[at] = header.Digest()
	}
	return c.addRuns(cb)
}

func (c *chain) addRuns(cb *remora.CertifiedBlock) error {
	height, results := cb.Block.Header.Height, cb.Block.Results
	if len(cb.Batches) != len(cb.Block.Batches) {
		return fmt.Errorf("block %d has %d of %d batches", height, len(cb.Batches), len(cb.Block.Batches))
	}
	for i, raw := range cb.Batches {
		batch, err := remora.ParseBatch(raw)
		if err != nil {
			return fmt.Errorf("block %d: %w", height, err)
		}
		if batch.Digest != cb.Block.Batches[i] {
			c.noteFault("block %d lists batch %s and has %s", height, cb.Block.Batches[i], batch.Digest)
		}
		for _, tx := range batch.Txs() {
			if len(results) == 0 {
				return fmt.Errorf("block %d has fewer results than transactions", height)
			}
			c.runs = append(c.runs, Run{Tx: remora.TxHash(tx), Height: height, Code: remora.Code(results[0])})
			results = results[1:]
		}
	}
	return nil
}

// noteSigned adds a header that its author signed and that keeper stores. Another one of the same round is a fault.
func (c *chain) noteSigned(at slot, digest remora.Hash, keeper string) {
	if first, seen := c.signed[at]; seen && first != digest {
		c.noteFault("authority %d signed headers %s and, at %s, %s of round %d", at.author, first, keeper, digest, at.round)
	}
	c.signed[at] = digest
}

// compareWith notes the first height at which two validators executed different blocks, as far as both were read.
func (c *chain) compareWith(name string, other *chain) {
	for i := range min(len(c.hashes), len(other.hashes)) {
		if c.hashes[i] != other.hashes[i] {
			c.noteFault("at height %d %s executed block %s, not %s", i+1, name, other.hashes[i], c.hashes[i])
			return
		}
	}
	if !maps.Equal(c.signed, other.signed) {
		c.noteFault("the headers in the blocks of %s are others", name)
	}
}

// brokenError returns an error that names the faults, nil if there are none.
func (c *chain) brokenError() error {
	if len(c.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrBroken, strings.Join(c.faults, "; "))
}

func (c *chain) noteFault(format string, args ...any) {
	if len(c.faults) < maxExamples {
		c.faults = append(c.faults, fmt.Sprintf(format, args...))
	}
}
