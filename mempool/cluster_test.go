package mempool_test

import (
	"cmp"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

const gcDepth = 10

// cluster drives one core per authority over a network in memory, one message at a time, and checks every message that
// leaves a core. All randomness comes from its seed.
type cluster struct {
	t         testing.TB
	committee *remora.Committee
	nodes     []*node
	queue     []packet
	chance    *rand.Rand
	delay     int                              // most ticks that a packet takes, and by which it may be overtaken
	loss      int                              // percent of packets that vanish
	cut       int                              // when above 0: packets delivered before the tick ends in mid air
	apart     func(a, b remora.Authority) bool // whether a and b cannot reach each other; nil: all can
	now       remora.Millis
	trace     strings.Builder
	headers   map[string]remora.Hash // author, round → the header that left
	votes     map[string]remora.Hash // voter, author, round → what was voted for
	vertices  map[string]remora.Hash // author, round → the certified header
	ordered   []remora.Hash          // the longest order that a node has seen
}

type packet struct {
	from, to remora.Authority
	message  mempool.Message
	due      remora.Millis
}

// node is a core with a disk that loses what was not synced, and an orderer that keeps what it was given.
type node struct {
	core    *mempool.Core
	down    bool
	doubt   mempool.Doubt // of the next start, unless the disk says more
	disk    disk
	orderer *orderer
	seq     uint64
	stored  map[remora.Hash]bool // batches on disk
}

type disk struct {
	proposed     *remora.Header
	votes        map[remora.Authority]remora.Vote
	certificates []*remora.Certificate
	floor        remora.Round
	lost         bool // nothing tells what was signed
	unsynced     []mempool.Record
}

func newCluster(t testing.TB, n int, seed int64) *cluster {
	c := &cluster{
		t: t, committee: mempooltest.NewCommittee(n), chance: rand.New(rand.NewSource(seed)), now: 1_000_000,
		headers: map[string]remora.Hash{}, votes: map[string]remora.Hash{}, vertices: map[string]remora.Hash{},
	}
	for range n {
		c.nodes = append(c.nodes, &node{
			stored:  map[remora.Hash]bool{},
			disk:    disk{votes: map[remora.Authority]remora.Vote{}},
			orderer: newOrderer(c.committee),
		})
	}
	for a := range c.nodes {
		c.start(remora.Authority(a))
	}
	return c
}

func (c *cluster) start(a remora.Authority) {
	n := c.nodes[a]
	votes := make([]remora.Vote, 0, len(n.disk.votes))
	for author := range remora.Authority(len(c.nodes)) {
		if v, ok := n.disk.votes[author]; ok {
			votes = append(votes, v)
		}
	}
	core, err := mempool.New(mempool.Config{
		Committee: c.committee, Self: a, Origin: mempooltest.Origin, GCDepth: gcDepth,
		Leader: mempooltest.Leader(c.committee), Signer: mempooltest.Signer{Committee: c.committee, Self: a},
		Pace: mempool.Pace{Resend: 20},
	}, mempool.Snapshot{
		Committed: n.orderer.leader, Certificates: n.disk.certificates, Proposed: n.disk.proposed, Votes: votes,
		Floor: n.disk.floor, Doubt: n.disk.doubt(n.doubt),
	})
	if err != nil {
		c.t.Fatalf("start of %d: %v", a, err)
	}
	n.core, n.down = core, false
}

// crash stops a node. Unhandled work and unsynced records are lost.
func (c *cluster) crash(a remora.Authority) {
	c.nodes[a].down, c.nodes[a].disk.unsynced = true, nil
	c.queue = slices.DeleteFunc(c.queue, func(p packet) bool { return p.to == a })
}

// tick advances all nodes by a tick and handles everything that follows.
func (c *cluster) tick() {
	c.now += 5
	for _, n := range c.nodes {
		if !n.down {
			n.core.Tick(c.now)
		}
	}
	c.work()
	for delivered := 0; ; {
		packets := c.arrived()
		if len(packets) == 0 {
			return
		}
		for _, p := range packets {
			if delivered++; delivered == c.cut {
				return
			}
			if n := c.nodes[p.to]; !n.down && c.reaches(p.from, p.to) && c.chance.Intn(100) >= c.loss {
				c.step(p.to, p.message)
			}
		}
		c.work()
	}
}

// arrived takes the packets that are due from the queue.
func (c *cluster) arrived() []packet {
	var due, later []packet
	for _, p := range c.queue {
		if p.due <= c.now {
			due = append(due, p)
		} else {
			later = append(later, p)
		}
	}
	c.queue = later
	return due
}

// post sends a packet.
func (c *cluster) post(from, to remora.Authority, m mempool.Message) {
	due := c.now
	if c.delay > 0 {
		due += 5 * remora.Millis(c.chance.Intn(c.delay+1))
	}
	c.queue = append(c.queue, packet{from: from, to: to, message: m, due: due})
}

func (c *cluster) reaches(from, to remora.Authority) bool {
	return c.apart == nil || !c.apart(from, to)
}

func (c *cluster) step(a remora.Authority, m mempool.Message) {
	if err := c.nodes[a].core.Step(m); err != nil {
		fmt.Fprintf(&c.trace, "%d refuses: %v\n", a, err)
	}
}

func (c *cluster) work() {
	for again := true; again; {
		again = false
		for a, n := range c.nodes {
			if n.down {
				continue
			}
			if ready, ok := n.core.Ready(); ok {
				c.handle(remora.Authority(a), ready)
				again = true
			}
		}
	}
}

func (c *cluster) handle(a remora.Authority, ready mempool.Ready) {
	n := c.nodes[a]
	n.disk.unsynced = append(n.disk.unsynced, ready.Persist...)
	if ready.Sync {
		n.disk.sync()
	}
	for _, o := range ready.Send {
		c.inspect(a, o)
		for to := range remora.Authority(len(c.nodes)) {
			if to != a && (o.Broadcast || o.To == to) {
				c.post(a, to, message(o))
			}
		}
	}
	n.core.Advance(ready)
	for _, w := range ready.Want {
		c.serve(a, w)
	}
	for _, cert := range ready.Delivered {
		if subs := n.orderer.insert(c.t, cert); len(subs) > 0 {
			n.disk.sync()
			c.compare(a)
			c.step(a, mempool.Ordered{SubDAGs: subs})
		}
	}
	fmt.Fprintf(&c.trace, "%d %s", a, format(ready))
}

func message(o mempool.Outgoing) mempool.Message {
	switch {
	case o.Header != nil:
		return mempool.HeaderReceived{Header: o.Header}
	case o.Vote != nil:
		return mempool.VoteReceived{Vote: *o.Vote}
	}
	return mempool.CertificateReceived{Certificate: o.Certificate}
}

// inspect checks a message that leaves a core against those that left it before.
func (c *cluster) inspect(a remora.Authority, o mempool.Outgoing) {
	once := func(what string, seen map[string]remora.Hash, key string, digest remora.Hash) {
		if old, ok := seen[key]; ok && old != digest {
			c.t.Fatalf("two %s of %s: %s and %s", what, key, old, digest)
		}
		seen[key] = digest
	}
	switch d := &c.nodes[a].disk; {
	case o.Header != nil:
		h := o.Header
		once("headers", c.headers, fmt.Sprint(h.Author, "/", h.Round), h.Digest())
		if d.proposed == nil || d.proposed.Digest() != h.Digest() {
			c.t.Fatalf("header of %d, round %d left before its record", a, h.Round)
		}
	case o.Vote != nil:
		v := o.Vote
		once("votes", c.votes, fmt.Sprint(v.Voter, "/", v.Author, "/", v.Round), v.Digest)
		if kept := d.votes[v.Author]; kept.Round < v.Round || kept.Round == v.Round && kept.Digest != v.Digest {
			c.t.Fatalf("vote of %d for %d, round %d left before its record", a, v.Author, v.Round)
		}
	default:
		cert := o.Certificate
		once("certificates", c.vertices, fmt.Sprint(cert.Author(), "/", cert.Round()), cert.Digest())
		if !mempooltest.VerifyCertificate(c.committee, cert) {
			c.t.Fatalf("certificate of %d, round %d does not verify", a, cert.Round())
		}
		if !slices.ContainsFunc(d.certificates, func(s *remora.Certificate) bool { return s.Digest() == cert.Digest() }) {
			c.t.Fatalf("certificate of %d, round %d left before its record", a, cert.Round())
		}
	}
}

// serve answers a request as the asked node's shell would: from its disk, over the network.
func (c *cluster) serve(a remora.Authority, w mempool.Want) {
	from := c.nodes[w.From]
	for _, ref := range w.Batches {
		if !c.nodes[a].stored[ref.Digest] && (from.down || !c.reaches(a, w.From) || !from.stored[ref.Digest]) {
			continue
		}
		c.nodes[a].stored[ref.Digest] = true
		c.post(w.From, a, stored(ref))
	}
	if from.down || !c.reaches(a, w.From) {
		return
	}
	if w.Tip {
		c.reportTip(w.From, a)
	}
	for _, cert := range from.disk.certificates {
		if slices.Contains(w.Parents, cert.Header.ID()) && cert.Round() == w.Round {
			c.post(w.From, a, mempool.CertificateReceived{Certificate: cert})
		}
	}
}

// reportTip answers with the highest certificate of a disk, if its record is complete.
func (c *cluster) reportTip(from, to remora.Authority) {
	d := &c.nodes[from].disk
	if d.lost {
		return
	}
	var tip, own *remora.Certificate
	for _, cert := range d.certificates {
		if tip == nil || cert.Round() > tip.Round() {
			tip = cert
		}
		if cert.Author() == to && (own == nil || cert.Round() > own.Round()) {
			own = cert
		}
	}
	if own != nil {
		c.post(from, to, mempool.CertificateReceived{Certificate: own})
	}
	c.post(from, to, mempool.TipReceived{From: from, Certificate: tip})
}

// batch names a batch by its author and number, so that a stored one can be described from its digest.
func batch(author remora.Authority, seq uint64) remora.BatchRef {
	ref := remora.BatchRef{Author: author, Seq: seq, Epoch: 1}
	copy(ref.Digest[:], fmt.Sprintf("batch %04d/%06d", author, seq))
	return ref
}

func stored(ref remora.BatchRef) mempool.BatchStored {
	var author remora.Authority
	var seq uint64
	if _, err := fmt.Sscanf(string(ref.Digest[:]), "batch %d/%d", &author, &seq); err != nil {
		panic(err)
	}
	own := batch(author, seq)
	return mempool.BatchStored{Ref: own, Proof: mempooltest.SignBatch(mempooltest.NewCommittee(4), &own)}
}

func ready(ref remora.BatchRef) mempool.BatchReady { return mempool.BatchReady{Ref: ref} }

// submit gives a node a batch that a quorum holds.
func (c *cluster) submit(a remora.Authority) remora.BatchRef {
	n := c.nodes[a]
	n.seq++
	ref := batch(a, n.seq)
	for i, peer := range c.nodes {
		if i != (int(a)+1)%len(c.nodes) { // who has to ask for it
			peer.stored[ref.Digest] = true
		}
	}
	c.step(a, ready(ref))
	return ref
}

// compare holds a node's order against the longest one.
func (c *cluster) compare(a remora.Authority) {
	order := c.nodes[a].orderer.order
	common := min(len(order), len(c.ordered))
	if !slices.Equal(order[:common], c.ordered[:common]) {
		c.t.Fatalf("node %d orders differently", a)
	}
	if len(order) > common {
		c.ordered = slices.Clone(order)
	}
}

// run ticks until all running nodes have ordered a leader of the round, and fails after the given number of ticks.
func (c *cluster) run(round remora.Round, ticks int) {
	c.t.Helper()
	behind := func(n *node) bool { return !n.down && n.orderer.leader < round }
	for i := 0; slices.ContainsFunc(c.nodes, behind); i++ {
		if i == ticks {
			for a, n := range c.nodes {
				c.t.Logf("node %d: down %v, round %d, leader %d, gc %d", a, n.down, n.core.Round(), n.orderer.leader, n.core.GCRound())
			}
			c.t.Fatalf("no leader of round %d within %d ticks", round, ticks)
		}
		c.tick()
	}
}

// doubt returns the doubt to start with, as far as this disk tells.
func (d *disk) doubt(least mempool.Doubt) mempool.Doubt {
	if d.lost {
		return mempool.Lost
	}
	return least
}

func (d *disk) sync() {
	for _, r := range d.unsynced {
		switch {
		case r.Header != nil:
			d.proposed = r.Header
		case r.Vote != nil:
			d.votes[r.Vote.Author] = *r.Vote
		case r.Lost:
			d.lost = true
		case r.Floor > 0:
			d.floor, d.lost = r.Floor, false
		default:
			d.certificates = append(d.certificates, r.Certificate)
		}
	}
	d.unsynced = nil
}

// orderer is a naive Bullshark: it keeps all vertices and visits all of them every time.
type orderer struct {
	committee *remora.Committee
	leaders   func(remora.Round) (remora.Authority, bool)
	vertices  map[remora.Round]map[remora.Authority]*remora.Certificate
	done      map[remora.Hash]bool
	leader    remora.Round
	order     []remora.Hash
	payload   map[remora.Hash]bool
}

func newOrderer(c *remora.Committee) *orderer {
	return &orderer{
		committee: c, leaders: mempooltest.Leader(c), done: map[remora.Hash]bool{}, payload: map[remora.Hash]bool{},
		vertices: map[remora.Round]map[remora.Authority]*remora.Certificate{},
	}
}

// insert takes a delivered certificate and fails the test if a parent is missing that could still be ordered.
func (o *orderer) insert(t testing.TB, c *remora.Certificate) []remora.SubDAG {
	t.Helper()
	for _, p := range c.Header.Parents {
		horizon := max(o.leader, gcDepth) - gcDepth
		if c.Round() > horizon+1 && c.Round() > 1 && o.vertices[c.Round()-1][p.Author] == nil {
			t.Fatalf("certificate of %d, round %d delivered before its parent of %d", c.Author(), c.Round(), p.Author)
		}
	}
	if o.vertices[c.Round()] == nil {
		o.vertices[c.Round()] = map[remora.Authority]*remora.Certificate{}
	}
	o.vertices[c.Round()][c.Author()] = c
	return o.commit(c.Round() - 1)
}

func (o *orderer) commit(r remora.Round) []remora.SubDAG {
	a, ok := o.leaders(r)
	leader := o.vertices[r][a]
	if !ok || r <= o.leader || leader == nil {
		return nil
	}
	var support remora.Amount
	for voter, c := range o.vertices[r+1] {
		if slices.Contains(c.Header.Parents, leader.Header.ID()) {
			support += o.committee.Stake(voter)
		}
	}
	if support < o.committee.Validity() {
		return nil
	}
	leaders := []*remora.Certificate{leader}
	for q := r - 2; q > o.leader && q >= 2; q -= 2 {
		a, _ := o.leaders(q)
		if older := o.vertices[q][a]; older != nil && o.history(leaders[0], q-1)[older.Digest()] != nil {
			leaders = slices.Insert(leaders, 0, older)
		}
	}
	var subs []remora.SubDAG
	for _, l := range leaders {
		subs = append(subs, o.linearise(l))
	}
	o.leader = r
	return subs
}

// history returns the ancestors of c above a round, c among them.
func (o *orderer) history(c *remora.Certificate, above remora.Round) map[remora.Hash]*remora.Certificate {
	found := map[remora.Hash]*remora.Certificate{c.Digest(): c}
	for todo := []*remora.Certificate{c}; len(todo) > 0; todo = todo[1:] {
		for _, p := range todo[0].Header.Parents {
			parent := o.vertices[todo[0].Round()-1][p.Author]
			if parent != nil && parent.Round() > above && found[p.Digest] == nil {
				found[p.Digest] = parent
				todo = append(todo, parent)
			}
		}
	}
	return found
}

func (o *orderer) linearise(leader *remora.Certificate) remora.SubDAG {
	var headers []*remora.Header
	for digest, c := range o.history(leader, max(leader.Round(), gcDepth)-gcDepth) {
		if !o.done[digest] {
			o.done[digest] = true
			headers = append(headers, &c.Header)
		}
	}
	slices.SortFunc(headers, func(a, b *remora.Header) int {
		return cmp.Or(cmp.Compare(a.Round, b.Round), cmp.Compare(a.Author, b.Author))
	})
	for _, h := range headers {
		o.order = append(o.order, h.Digest())
		for _, ref := range h.Payload {
			o.payload[ref.Digest] = true
		}
	}
	return remora.SubDAG{Headers: headers}
}
