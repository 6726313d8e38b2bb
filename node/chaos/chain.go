package chaos

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
)

// slot is where an authority may sign one header.
type slot struct {
	author remora.Authority
	round  remora.Round
}

// chain is what one validator executed, read block by block and trusted in nothing but the sequence.
type chain struct {
	id     string
	hashes []remora.Hash   // of the blocks, by height - 1
	times  []remora.Millis // of the blocks
	runs   []Run           // in order
	signed map[slot]remora.Hash
	faults []string
}

func newChain(id string) *chain { return &chain{id: id, signed: map[slot]remora.Hash{}} }

// Times returns the times of the blocks, in order.
func (c *Checked) Times() []time.Time {
	times := make([]time.Time, len(c.chain.times))
	for i, ms := range c.chain.times {
		times[i] = time.UnixMilli(int64(ms))
	}
	return times
}

func (c *chain) tip() remora.Height { return remora.Height(len(c.hashes)) }

// read goes on to a height that the node has a certificate for.
func (c *chain) read(ctx context.Context, node *client.Client, to remora.Height) error {
	if to <= c.tip() {
		return nil
	}
	return node.CertifiedBlocks(ctx, c.tip()+1, to, c.add)
}

// add enters the next block. What it says of itself has to follow from what is in it.
func (c *chain) add(cb *remora.CertifiedBlock) error {
	b, h := &cb.Block, &cb.Block.Header
	if n := len(c.hashes); n > 0 && (h.Parent != c.hashes[n-1] || h.Time <= c.times[n-1]) {
		c.blame("block %d of time %d has parent %s; block %d is %s of time %d", h.Height, h.Time, h.Parent, n, c.hashes[n-1], c.times[n-1])
	}
	if h.TxRoot != remora.TxRoot(c.id, b.Batches) || h.ResultsRoot != remora.ResultsRoot(c.id, b.Results) {
		c.blame("block %d: its roots are not those of its batches and results", h.Height)
	}
	c.hashes, c.times = append(c.hashes, h.Hash()), append(c.times, h.Time)
	for _, header := range b.DAG {
		at := slot{header.Author, header.Round}
		if first, seen := c.signed[at]; seen {
			c.blame("authority %d has headers %s and %s of round %d in blocks", header.Author, first, header.Digest(), header.Round)
		}
		c.signed[at] = header.Digest()
	}
	return c.execute(cb)
}

func (c *chain) execute(cb *remora.CertifiedBlock) error {
	height, results := cb.Block.Header.Height, cb.Block.Results
	if len(cb.Batches) != len(cb.Block.Batches) {
		return fmt.Errorf("block %d comes with %d of %d batches", height, len(cb.Batches), len(cb.Block.Batches))
	}
	for i, raw := range cb.Batches {
		batch, err := remora.ParseBatch(raw)
		if err != nil {
			return fmt.Errorf("block %d: %w", height, err)
		}
		if batch.Digest != cb.Block.Batches[i] {
			c.blame("block %d names batch %s and comes with %s", height, cb.Block.Batches[i], batch.Digest)
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

// sign enters a header that its author signed, by what somebody keeps of it. Another one of the same round is a fault.
func (c *chain) sign(at slot, digest remora.Hash, keeper string) {
	if first, seen := c.signed[at]; seen && first != digest {
		c.blame("authority %d signed headers %s and, at %s, %s of round %d", at.author, first, keeper, digest, at.round)
	}
	c.signed[at] = digest
}

// compare reports where two validators executed something different, as far as both were read.
func (c *chain) compare(name string, other *chain) {
	for i := range min(len(c.hashes), len(other.hashes)) {
		if c.hashes[i] != other.hashes[i] {
			c.blame("at height %d %s executed block %s, not %s", i+1, name, other.hashes[i], c.hashes[i])
			return
		}
	}
	if !maps.Equal(c.signed, other.signed) {
		c.blame("the headers in the blocks of %s are others", name)
	}
}

func (c *chain) blame(format string, args ...any) {
	if len(c.faults) < maxExamples {
		c.faults = append(c.faults, fmt.Sprintf(format, args...))
	}
}
