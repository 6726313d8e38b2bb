package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/ledger"
)

// maxViolations bounds what a report lists: the first ones tell most.
const maxViolations = 20

// checker sees all validators at once and compares the correct ones with each other.
type checker struct {
	Outcome   // as counted so far
	committee *remora.Committee
	scenario  *Scenario
	faulty    []bool          // by authority: the adversary controls it at some time
	failed    map[string]bool // verdicts that a violation led to, listed or not
	headers   map[slot]remora.Hash
	votes     map[ballot]remora.Hash
	vertices  map[slot]remora.Hash
	chain     []link // by height, from 1: as the first to execute it made it
	ordered   map[remora.Hash]bool
	batches   map[remora.Hash]remora.Height
	txs       map[string]remora.Height
	accepted  map[string]*acceptance
	waits     []time.Duration // from clients' transactions to their execution
	members   []member
}

// member is the checker's record of a validator.
type member struct {
	proposed remora.Round // highest round of a header that left
	height   remora.Height
	moved    time.Duration // when it executed its newest block
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
	by       remora.Authority
	sent, at time.Duration
}

func newChecker(committee *remora.Committee, s *Scenario) *checker {
	c := &checker{
		committee: committee, scenario: s, Outcome: Outcome{Seed: s.Seed, Violations: []string{}},
		faulty: make([]bool, s.Validators), members: make([]member, s.Validators), failed: map[string]bool{},
		headers: map[slot]remora.Hash{}, votes: map[ballot]remora.Hash{}, vertices: map[slot]remora.Hash{},
		ordered: map[remora.Hash]bool{}, batches: map[remora.Hash]remora.Height{},
		txs: map[string]remora.Height{}, accepted: map[string]*acceptance{},
	}
	for a := range c.faulty {
		c.faulty[a] = s.isByzantine(remora.Authority(a))
	}
	return c
}

func (c *checker) addViolation(verdict, format string, args ...any) {
	c.failed[verdict] = true
	if len(c.Violations) < maxViolations {
		c.Violations = append(c.Violations, verdict+": "+fmt.Sprintf(format, args...))
	}
}

func (c *checker) worstVerdict() string {
	for _, verdict := range []string{Diverged, NoProgress, Lost} {
		if c.failed[verdict] {
			return verdict
		}
	}
	return Pass
}

// recordOnce fails when a place is taken by something else, and reports whether it was free.
func recordOnce[K comparable](c *checker, seen map[K]remora.Hash, key K, digest remora.Hash, what string) bool {
	old, taken := seen[key]
	if taken && old != digest {
		c.addViolation(Diverged, "equivocation: two %s %+v: %s and %s", what, key, old, digest)
	}
	seen[key] = digest
	return !taken
}

// checkSent looks at what leaves a validator, whether it arrives or not.
func (c *checker) checkSent(from remora.Authority, o *mempool.Outgoing) {
	switch {
	case o.Header != nil:
		h := o.Header
		if err := h.Check(c.committee); err != nil {
			c.addViolation(Diverged, "validator %d makes a header of round %d that nobody accepts: %v", from, h.Round, err)
		}
		if recordOnce(c, c.headers, slot{h.Author, h.Round}, h.Digest(), "headers of") && h.Round <= c.members[from].proposed {
			c.addViolation(Diverged, "validator %d makes a header of round %d after one of round %d", from, h.Round, c.members[from].proposed)
		}
		m := &c.members[from]
		m.proposed = max(m.proposed, h.Round)
	case o.Vote != nil:
		recordOnce(c, c.votes, ballot{o.Vote.Voter, slot{o.Vote.Author, o.Vote.Round}}, o.Vote.Digest, "votes of")
	default:
		recordOnce(c, c.vertices, slot{o.Certificate.Author(), o.Certificate.Round()}, o.Certificate.Digest(), "certificates of")
	}
}

// noteAccepted notes what a validator acknowledges to clients.
func (c *checker) noteAccepted(v *host, clients []client) {
	for _, cl := range clients {
		c.accepted[string(cl.tx)] = &acceptance{by: v.self, sent: cl.sent, at: v.world.now}
	}
}

// checkEvidence checks the evidence that a validator has: it must be against the adversary.
func (c *checker) checkEvidence(v *host, e mempool.Equivocation) {
	if !v.isFaulty() && !c.faulty[e.Second.Author] {
		c.addViolation(Diverged, "validator %d has evidence against %d in round %d", v.self, e.Second.Author, e.Second.Round)
	}
}

// forgetDisk notes that a disk was reset to what it held at a height and a time.
func (c *checker) forgetDisk(a remora.Authority, height remora.Height, from time.Duration) {
	c.members[a].height = height
	for _, accepted := range c.accepted {
		if accepted.by == a && accepted.at >= from {
			accepted.by = nobody
		}
	}
}

// nobody stands for the authority that owes transactions accepted and lost with a disk.
const nobody = remora.Authority(1<<16 - 1)

// checkStart compares where a validator resumes with where it was.
func (c *checker) checkStart(v *host, tip state.Tip) {
	if v.isFaulty() {
		return
	}
	if at := c.members[v.self].height; tip.Height != at {
		c.addViolation(Diverged, "validator %d executed up to block %d and restarts at block %d", v.self, at, tip.Height)
	}
	if h := int(tip.Height); h > 0 && h <= len(c.chain) && c.chain[h-1].hash != tip.Hash {
		c.addViolation(Diverged, "validator %d restarts at another block %d", v.self, tip.Height)
	}
}

// checkExecuted compares a block with the same one elsewhere, or checks it when it is the first of its height.
func (c *checker) checkExecuted(v *host, b *remora.Block, batches []remora.Batch) {
	height, hash := b.Header.Height, b.Header.Hash()
	if v.isFaulty() {
		return
	}
	m := &c.members[v.self]
	if height != m.height+1 {
		c.addViolation(Diverged, "validator %d executes block %d after block %d", v.self, height, m.height)
	}
	m.height, m.moved = height, v.world.now
	c.noteLatency(v, batches)
	made := link{hash: hash, root: b.Header.StateRoot, round: b.DAG[len(b.DAG)-1].Round}
	if int(height) <= len(c.chain) {
		if first := c.chain[height-1]; first != made {
			c.addViolation(Diverged, "validator %d executes another block %d: %s with root %s, not %s with root %s",
				v.self, height, made.hash, made.root, first.hash, first.root)
		}
		return
	}
	c.chain = append(c.chain, made)
	c.checkBlock(b, batches)
}

// noteLatency notes how long the clients of a validator that never crashed waited.
func (c *checker) noteLatency(v *host, batches []remora.Batch) {
	if v.crashed {
		return
	}
	for _, b := range batches {
		if b.Author != v.self {
			continue
		}
		for _, tx := range b.Txs() {
			if a := c.accepted[string(tx)]; a != nil && a.by == v.self {
				c.waits = append(c.waits, v.world.now-a.sent)
			}
		}
	}
}

// checkBlock checks a new block against the chain before it.
func (c *checker) checkBlock(b *remora.Block, batches []remora.Batch) {
	height, leader := b.Header.Height, b.DAG[len(b.DAG)-1].Round
	for _, h := range b.DAG {
		if c.ordered[h.Digest()] {
			c.addViolation(Diverged, "block %d orders the header of %d, round %d again", height, h.Author, h.Round)
		}
		c.ordered[h.Digest()] = true
		for _, p := range h.Parents {
			if h.Round > 1 && h.Round-1+c.scenario.GCDepth > leader && !c.ordered[p.Digest] {
				c.addViolation(Diverged, "block %d orders the header of %d, round %d before its parent of %d", height, h.Author, h.Round, p.Author)
			}
		}
	}
	for _, batch := range batches {
		if before, again := c.batches[batch.Digest]; again {
			c.addViolation(Diverged, "block %d executes batch %s again, after block %d", height, batch.Digest, before)
		}
		c.batches[batch.Digest] = height
	}
	c.checkResults(b, batches)
}

// checkResults checks what became of each transaction. What failed was not executed, and only the adversary's may fail.
func (c *checker) checkResults(b *remora.Block, batches []remora.Batch) {
	height, place := b.Header.Height, 0
	for i := range batches {
		for _, tx := range batches[i].Txs() {
			if place == len(b.Results) {
				c.addViolation(Diverged, "block %d has %d results, too few", height, place)
				return
			}
			code := remora.Code(b.Results[place])
			place++
			switch before, again := c.txs[string(tx)]; {
			case code != remora.CodeOK && c.faulty[batches[i].Author]:
				c.Refused++
			case code != remora.CodeOK:
				c.addViolation(Diverged, "block %d: transaction %d fails with %s", height, place-1, code)
			case again:
				c.addViolation(Diverged, "block %d executes %q again, after block %d", height, tx, before)
			default:
				c.txs[string(tx)] = height
			}
		}
	}
	if place < len(b.Results) {
		c.addViolation(Diverged, "block %d has %d results for %d transactions", height, len(b.Results), place)
	}
}

// countExecuted counts the transactions that were acknowledged to clients and have been executed.
func (c *checker) countExecuted() int {
	n := 0
	for tx := range c.accepted {
		if _, done := c.txs[tx]; done {
			n++
		}
	}
	return n
}

// What a mempool core may hold apart from the rounds above the GC horizon.
const (
	foreignEntries = 2 * 256       // batches of each peer for adoption, in a list and a set
	ownEntries     = 3*2048 + 1024 // own batches, at least 4 KiB of 8 MiB each, in line, known and in headers
)

// checkEnd judges a validator at the end: progress since the network is timely, bounded memory, conserved coins.
func (c *checker) checkEnd(v *host) {
	w := v.world
	if !v.up || v.isFaulty() {
		return
	}
	if m := c.members[v.self]; m.moved <= w.scenario.GST {
		c.addViolation(NoProgress, "validator %d is at block %d since %v, in round %d; the network is timely since %v",
			v.self, m.height, m.moved, v.core.Round(), w.scenario.GST)
	}
	if err := ledger.CheckSupply(v.exec.View().Tables); err != nil {
		c.addViolation(Diverged, "validator %d: %v", v.self, err)
	}
	held := countEntries(v.core)
	c.Entries = max(c.Entries, held)
	if most := len(w.nodes)*(4*(int(w.scenario.GCDepth)+64)+foreignEntries) + ownEntries; held > most {
		c.addViolation(NoProgress, "validator %d: the mempool core holds %d entries in the end, at most %d expected", v.self, held, most)
	}
}

// checkOwed looks for accepted transactions that were not executed. A validator that stays down or that the adversary
// controls owes nothing.
func (c *checker) checkOwed(w *world) {
	type debt struct {
		tx string
		acceptance
	}
	var debts []debt
	for tx, a := range c.accepted {
		_, done := c.txs[tx]
		if !done && a.by != nobody && a.at <= w.scenario.Duration-w.scenario.Grace && w.nodes[a.by].up && !c.faulty[a.by] {
			debts = append(debts, debt{tx, *a})
		}
	}
	slices.SortFunc(debts, func(a, b debt) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.tx, b.tx)) })
	for _, d := range debts {
		c.addViolation(Lost, "transaction %x, accepted by validator %d at %v, was not executed", d.tx, d.by, d.at)
	}
}
