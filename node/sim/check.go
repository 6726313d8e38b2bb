package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/state"
)

// maxViolations bounds what a report lists: the first ones tell most.
const maxViolations = 20

// checker sees all validators at once and holds them against each other.
type checker struct {
	committee  *remora.Committee
	depth      remora.Round
	violations []string
	failed     map[string]bool // verdicts that a violation led to, listed or not
	headers    map[slot]remora.Hash
	votes      map[ballot]remora.Hash
	vertices   map[slot]remora.Hash
	proposed   []remora.Round // by author: highest round of a header that left
	chain      []link         // by height, from 1: as the first to execute it made it
	heights    []remora.Height
	moved      []time.Duration // by validator: its newest block
	ordered    map[remora.Hash]bool
	batches    map[remora.Hash]remora.Height
	txs        map[string]remora.Height
	accepted   []acceptance
	crashes    int
	synced     int
	entries    int
}

type slot struct {
	author remora.Authority
	round  remora.Round
}

type ballot struct {
	voter remora.Authority
	slot  slot
}

type link struct {
	hash, root remora.Hash
	round      remora.Round // of the leader
}

// acceptance is a client's acknowledgement.
type acceptance struct {
	tx string
	by remora.Authority
	at time.Duration
}

func newChecker(committee *remora.Committee, depth remora.Round) *checker {
	n := committee.Size()
	return &checker{
		committee: committee,
		failed:    map[string]bool{}, depth: depth, proposed: make([]remora.Round, n), heights: make([]remora.Height, n), moved: make([]time.Duration, n),
		headers: map[slot]remora.Hash{}, votes: map[ballot]remora.Hash{}, vertices: map[slot]remora.Hash{},
		ordered: map[remora.Hash]bool{}, batches: map[remora.Hash]remora.Height{}, txs: map[string]remora.Height{},
	}
}

func (c *checker) fail(verdict, format string, args ...any) {
	c.failed[verdict] = true
	if len(c.violations) < maxViolations {
		c.violations = append(c.violations, verdict+": "+fmt.Sprintf(format, args...))
	}
}

func (c *checker) verdict() string {
	for _, verdict := range []string{Diverged, NoProgress, Lost} {
		if c.failed[verdict] {
			return verdict
		}
	}
	return Pass
}

// once fails when a place is taken by something else, and reports whether it was free.
func once[K comparable](c *checker, seen map[K]remora.Hash, key K, digest remora.Hash, what string) bool {
	old, taken := seen[key]
	if taken && old != digest {
		c.fail(Diverged, "equivocation: two %s %+v: %s and %s", what, key, old, digest)
	}
	seen[key] = digest
	return !taken
}

// sent looks at what leaves a validator, whether it arrives or not.
func (c *checker) sent(from remora.Authority, o *mempool.Outgoing) {
	switch {
	case o.Header != nil:
		h := o.Header
		if err := h.Check(c.committee); err != nil {
			c.fail(Diverged, "validator %d makes a header of round %d that nobody accepts: %v", from, h.Round, err)
		}
		if once(c, c.headers, slot{h.Author, h.Round}, h.Digest(), "headers of") && h.Round <= c.proposed[from] {
			c.fail(Diverged, "validator %d makes a header of round %d after one of round %d", from, h.Round, c.proposed[from])
		}
		c.proposed[from] = max(c.proposed[from], h.Round)
	case o.Vote != nil:
		once(c, c.votes, ballot{o.Vote.Voter, slot{o.Vote.Author, o.Vote.Round}}, o.Vote.Digest, "votes of")
	default:
		once(c, c.vertices, slot{o.Certificate.Author(), o.Certificate.Round()}, o.Certificate.Digest(), "certificates of")
	}
}

// accept notes what a validator acknowledges to clients.
func (c *checker) accept(at time.Duration, by remora.Authority, txs [][]byte) {
	for _, tx := range txs {
		c.accepted = append(c.accepted, acceptance{tx: string(tx), by: by, at: at})
	}
}

// started compares where a validator resumes with where it was.
func (c *checker) started(by remora.Authority, tip state.Tip) {
	if tip.Height != c.heights[by] {
		c.fail(Diverged, "validator %d executed up to block %d and restarts at block %d", by, c.heights[by], tip.Height)
	}
	if h := int(tip.Height); h > 0 && h <= len(c.chain) && c.chain[h-1].hash != tip.Hash {
		c.fail(Diverged, "validator %d restarts at another block %d", by, tip.Height)
	}
}

// executed compares a block with the same one elsewhere, or checks it when it is the first of its height.
func (c *checker) executed(by remora.Authority, b *remora.Block, batches []remora.Batch, at time.Duration) {
	height := b.Header.Height
	if height != c.heights[by]+1 {
		c.fail(Diverged, "validator %d executes block %d after block %d", by, height, c.heights[by])
	}
	c.heights[by], c.moved[by] = height, at
	made := link{hash: b.Header.Hash(), root: b.Header.StateRoot, round: b.DAG[len(b.DAG)-1].Round}
	if int(height) <= len(c.chain) {
		if first := c.chain[height-1]; first != made {
			c.fail(Diverged, "validator %d executes another block %d: %s with root %s, not %s with root %s",
				by, height, made.hash, made.root, first.hash, first.root)
		}
		return
	}
	c.chain = append(c.chain, made)
	c.inspect(b, batches)
}

// inspect checks a new block against the chain before it.
func (c *checker) inspect(b *remora.Block, batches []remora.Batch) {
	height, leader := b.Header.Height, b.DAG[len(b.DAG)-1].Round
	for _, h := range b.DAG {
		if c.ordered[h.Digest()] {
			c.fail(Diverged, "block %d orders the header of %d, round %d again", height, h.Author, h.Round)
		}
		c.ordered[h.Digest()] = true
		for _, p := range h.Parents {
			if h.Round > 1 && h.Round-1+c.depth > leader && !c.ordered[p.Digest] {
				c.fail(Diverged, "block %d orders the header of %d, round %d before its parent of %d", height, h.Author, h.Round, p.Author)
			}
		}
	}
	for _, batch := range batches {
		if before, again := c.batches[batch.Digest]; again {
			c.fail(Diverged, "block %d executes batch %s again, after block %d", height, batch.Digest, before)
		}
		c.batches[batch.Digest] = height
		for _, tx := range batch.Txs() {
			if before, again := c.txs[string(tx)]; again {
				c.fail(Diverged, "block %d executes %q again, after block %d", height, tx, before)
			}
			c.txs[string(tx)] = height
		}
	}
	for i, code := range b.Results {
		if remora.Code(code) != remora.CodeOK {
			c.fail(Diverged, "block %d: transaction %d fails with %d", height, i, code)
		}
	}
}

// finish judges a validator at the end: progress since the network is timely, and bounded memory.
func (c *checker) finish(v *validator) {
	w := v.world
	if !v.up {
		return
	}
	if healed := max(w.scenario.GST, v.began); c.moved[v.self] <= healed {
		c.fail(NoProgress, "validator %d is at block %d since %v, in round %d; all is well since %v",
			v.self, c.heights[v.self], c.moved[v.self], v.core.Round(), healed)
	}
	c.entries = max(c.entries, entries(v.core))
	if most := (int(w.scenario.GCDepth)+64)*4*len(w.nodes) + 1024; c.entries > most {
		c.fail(NoProgress, "validator %d: the mempool core holds %d entries in the end, at most %d expected", v.self, c.entries, most)
	}
}

// owed looks for accepted transactions that were not executed. A validator that is down for good owes nothing.
func (c *checker) owed(w *world) {
	missing := slices.DeleteFunc(slices.Clone(c.accepted), func(a acceptance) bool {
		_, done := c.txs[a.tx]
		return done || a.at > w.scenario.Duration-w.scenario.Grace || !w.nodes[a.by].up
	})
	slices.SortStableFunc(missing, func(a, b acceptance) int { return cmp.Compare(a.at, b.at) })
	for _, a := range missing {
		c.fail(Lost, "%q, accepted by validator %d at %v, was not executed", a.tx, a.by, a.at)
	}
}
