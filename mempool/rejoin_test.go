package mempool_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// asked returns the authorities that a Ready asks for their highest certificates.
func asked(ready mempool.Ready) []remora.Authority {
	var from []remora.Authority
	for _, w := range ready.Want {
		if w.Tip {
			from = append(from, w.From)
		}
	}
	return from
}

// silent fails the test if anything is signed or sent again.
func silent(t *testing.T, ready mempool.Ready) {
	t.Helper()
	if len(ready.Send) != 0 {
		t.Errorf("sends in doubt: %s", format(ready))
	}
}

// tip answers for an authority with the certificate of a round and author, or with none if the round is 0.
func (r *rig) tip(from remora.Authority, round remora.Round, author remora.Authority) mempool.Ready {
	r.t.Helper()
	return r.must(mempool.TipReceived{From: from, Certificate: r.Certificate(round, author)})
}

// record is an authority that has made headers up to a round, with everything on its disk.
func record(t *testing.T, round remora.Round) *rig {
	r := newRig(t)
	r.advance(round)
	r.ready()
	return r
}

func TestLostRecord(t *testing.T) {
	t.Run("nothing_is_signed_until_a_quorum_of_the_others_reports", func(t *testing.T) {
		r := newRig(t).doubtful(mempool.Lost)
		for range 6 {
			r.Grow(1, 2, 3)
		}
		if got := asked(r.ticks(1)); !slices.Equal(got, []remora.Authority{1, 2, 3}) {
			t.Fatalf("asked %v", got)
		}
		silent(t, r.deliver(1))
		silent(t, r.must(mempool.HeaderReceived{Header: r.Header(2, 1)}))
		silent(t, r.tip(1, 6, 1))
		silent(t, r.tip(2, 4, 2))
		if got := asked(r.ticks(30)); !slices.Equal(got, []remora.Authority{3}) {
			t.Errorf("asks %v again, only 3 has not answered", got)
		}
		silent(t, r.tip(2, 5, 2)) // once more
		silent(t, r.ticks(1000))
		if r.core.Doubt() != mempool.Lost {
			t.Fatal("time ends the doubt")
		}
		ready := r.tip(3, 0, 0)
		if got := events[mempool.Rejoined](ready); len(got) != 1 || got[0].Floor != 8 {
			t.Fatalf("got %s", format(ready))
		}
		if !ready.Sync || !slices.ContainsFunc(ready.Persist, func(rec mempool.Record) bool { return rec.Floor == 8 }) {
			t.Errorf("the floor is not durable: %s", format(ready))
		}
		silent(t, ready)
		if got := asked(r.ticks(200)); len(got) != 0 {
			t.Errorf("asks %v afterwards", got)
		}
	})
	t.Run("signs_above_the_floor_only", func(t *testing.T) {
		r := newRig(t).doubtful(mempool.Lost)
		for range 9 {
			r.Grow(1, 2, 3)
		}
		for round := remora.Round(1); round <= 6; round++ {
			r.deliver(round)
		}
		silent(t, r.must(mempool.HeaderReceived{Header: r.Header(7, 2)}))
		for a := remora.Authority(1); a < 4; a++ {
			silent(t, r.tip(a, 6, a))
		}
		r.deliver(7)
		silent(t, r.ticks(150)) // round 8 is the floor: no header, nor a vote for the one of round 7 that waited
		if _, err := r.step(mempool.HeaderReceived{Header: r.Header(8, 1)}); !errors.Is(err, mempool.ErrTooOld) {
			t.Errorf("header of the floor: %v", err)
		}
		if h := proposal(r.deliver(8)); h == nil || h.Round != 9 {
			t.Errorf("proposed %v", h)
		}
		if ready := r.must(mempool.HeaderReceived{Header: r.Header(9, 1)}); len(votes(ready)) != 1 {
			t.Errorf("above the floor: %s", format(ready))
		}
	})
	t.Run("the_floor_outlives_a_restart", func(t *testing.T) {
		r := newRig(t).doubtful(mempool.Lost)
		for range 3 {
			r.Grow(1, 2, 3)
		}
		for a := remora.Authority(1); a < 4; a++ {
			r.tip(a, 3, a)
		}
		r.doubtful(mempool.Trusted)
		for round := remora.Round(1); round <= 3; round++ {
			r.deliver(round)
		}
		silent(t, r.ticks(150))
	})
	t.Run("an_earlier_floor_is_never_lowered", func(t *testing.T) {
		r := newRig(t)
		r.disk.floor = 40
		r.doubtful(mempool.Lost)
		var ready mempool.Ready
		for a := remora.Authority(1); a < 4; a++ {
			ready = r.tip(a, 0, 0)
		}
		if got := events[mempool.Rejoined](ready); len(got) != 1 || got[0].Floor != 40 {
			t.Errorf("got %s", format(ready))
		}
	})
	t.Run("certificates_of_the_earlier_life_are_no_twin", func(t *testing.T) {
		r := newRig(t).doubtful(mempool.Lost)
		for range 5 {
			r.Grow()
		}
		r.deliver(1, 0, 1, 2, 3)
		for a := remora.Authority(1); a < 4; a++ {
			r.tip(a, 4, a)
		}
		for round := remora.Round(2); round <= 5; round++ {
			r.deliver(round, 0, 1, 2, 3)
		}
	})
}

// What has to answer is a quorum, or all others where they are less.
func TestWhoHasToAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		stakes          []remora.Amount
		listening, lost int // how many of 1, 2, ... have to answer
	}{
		"four":           {[]remora.Amount{1, 1, 1, 1}, 2, 3},
		"seven":          {[]remora.Amount{1, 1, 1, 1, 1, 1, 1}, 4, 5},
		"small":          {[]remora.Amount{1, 33, 33, 33}, 2, 3},
		"large":          {[]remora.Amount{40, 20, 20, 20}, 2, 3},
		"a quorum alone": {[]remora.Amount{80, 10, 10}, 0, 2},
		"alone":          {[]remora.Amount{1}, 0, 0},
	} {
		for doubt, want := range map[mempool.Doubt]int{mempool.Listening: test.listening, mempool.Lost: test.lost} {
			r := newRig(t, test.stakes...).doubtful(doubt)
			r.ticks(1)
			answers := 0
			for ; r.core.Doubt() != mempool.Trusted; answers++ {
				r.tip(remora.Authority(answers+1), 0, 0)
			}
			if answers != want {
				t.Errorf("%s, doubt %d: %d answers, want %d", name, doubt, answers, want)
			}
		}
	}
}

func TestReportsRefused(t *testing.T) {
	r := newRig(t).doubtful(mempool.Lost)
	r.Grow(1, 2, 3)
	forged := *r.Certificate(1, 1)
	forged.Signers = remora.NewBitmap(4, 1, 2)
	for name, m := range map[string]mempool.TipReceived{
		"of nobody":   {From: 4},
		"of its own":  {From: 0},
		"no quorum":   {From: 1, Certificate: &forged},
		"no contents": {From: 1, Certificate: &remora.Certificate{}},
	} {
		if _, err := r.step(m); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if got := asked(r.ticks(1)); len(got) != 3 {
		t.Errorf("a refused report counts as an answer: asks %v", got)
	}
}

func TestListening(t *testing.T) {
	t.Run("says_nothing_and_then_what_it_said_last", func(t *testing.T) {
		r := record(t, 3)
		last := r.mine
		r.doubtful(mempool.Listening)
		r.Grow(1, 2, 3)
		silent(t, r.ready())
		silent(t, r.ticks(20))
		r.tip(1, 3, 1)
		ready := r.tip(2, 3, 2)
		if r.core.Doubt() != mempool.Trusted {
			t.Errorf("doubt %d after two answers: %s", r.core.Doubt(), format(ready))
		}
		if len(ready.Send) == 0 || ready.Send[0].Certificate == nil || ready.Send[0].Certificate.Digest() != last.Digest() {
			t.Errorf("sends %s", format(ready))
		}
	})
	t.Run("sends_the_header_again_byte_for_byte", func(t *testing.T) {
		r := newRig(t)
		r.ticks(1)
		made := r.mine
		r.doubtful(mempool.Listening)
		r.tip(1, 0, 0)
		if h := proposal(r.tip(2, 0, 0)); h == nil || h.Digest() != made.Digest() {
			t.Errorf("sent %v", h)
		}
		if ready := r.voteAll(); len(events[mempool.Certified](ready)) != 1 {
			t.Errorf("no certificate: %s", format(ready))
		}
	})
	t.Run("votes_for_what_came_meanwhile", func(t *testing.T) {
		r := newRig(t).doubtful(mempool.Listening)
		silent(t, r.must(mempool.HeaderReceived{Header: r.Header(1, 2)}))
		r.tip(1, 0, 0)
		if got := votes(r.tip(3, 0, 0)); len(got) != 1 || got[0].Author != 2 {
			t.Errorf("votes %v", got)
		}
	})
	t.Run("repeats_no_vote", func(t *testing.T) {
		r := newRig(t)
		h := r.Header(1, 2)
		r.must(mempool.HeaderReceived{Header: h})
		r.doubtful(mempool.Listening)
		silent(t, r.must(mempool.HeaderReceived{Header: h}))
	})
	t.Run("ends_by_time_when_nobody_answers", func(t *testing.T) {
		r := newRig(t).doubtful(mempool.Listening)
		silent(t, r.ticks(399))
		if h := proposal(r.ticks(1)); h == nil || h.Round != 1 {
			t.Errorf("proposed %v", h)
		}
	})
	t.Run("can_be_switched_off", func(t *testing.T) {
		r := newRig(t)
		r.config.Pace.Listen = -1
		r.doubtful(mempool.Listening)
		if h := proposal(r.ticks(1)); h == nil {
			t.Error("waits")
		}
	})
	t.Run("an_unknown_own_certificate_is_an_old_disk", func(t *testing.T) {
		r := record(t, 2)
		r.Grow()
		r.Grow()
		r.doubtful(mempool.Listening)
		ready := r.must(mempool.CertificateReceived{Certificate: r.Certificate(3, 0)})
		if len(events[mempool.Outdated](ready)) != 1 || r.core.Doubt() != mempool.Lost || !ready.Sync || !r.disk.lost {
			t.Fatalf("got %s", format(ready))
		}
		silent(t, r.ticks(1000))
		for a := remora.Authority(1); a < 4; a++ {
			ready = r.tip(a, 4, a)
		}
		if got := events[mempool.Rejoined](ready); len(got) != 1 || got[0].Floor != 6 || r.disk.lost {
			t.Errorf("got %s", format(ready))
		}
	})
	t.Run("an_unknown_own_header_is_an_old_disk", func(t *testing.T) {
		for _, round := range []remora.Round{3, 3000} { // in the window and beyond it
			r := record(t, 2).doubtful(mempool.Listening)
			h := mempooltest.NewHeader(r.Committee, 0, round, r.Parents(2))
			ready := r.must(mempool.HeaderReceived{Header: h})
			if len(events[mempool.Outdated](ready)) != 1 || r.core.Doubt() != mempool.Lost {
				t.Fatalf("round %d: got %s", round, format(ready))
			}
			for a := remora.Authority(1); a < 4; a++ {
				ready = r.tip(a, 0, 0)
			}
			if got := events[mempool.Rejoined](ready); len(got) != 1 || got[0].Floor < round {
				t.Errorf("round %d: got %s", round, format(ready))
			}
		}
	})
	t.Run("another_header_of_the_last_round_is_an_old_disk", func(t *testing.T) {
		r := newRig(t)
		r.ticks(1)
		other := r.later(r.mine)
		r.doubtful(mempool.Listening)
		r.must(mempool.CertificateReceived{Certificate: mempooltest.Certify(r.Committee, other)})
		if r.core.Doubt() != mempool.Lost {
			t.Errorf("doubt %d", r.core.Doubt())
		}
	})
	t.Run("known_own_certificates_are_not", func(t *testing.T) {
		r := record(t, 3).doubtful(mempool.Listening)
		for round := remora.Round(1); round <= 3; round++ {
			r.must(mempool.CertificateReceived{Certificate: r.Certificate(round, 0)})
		}
		if r.core.Doubt() != mempool.Listening {
			t.Errorf("doubt %d", r.core.Doubt())
		}
	})
}

func TestTwin(t *testing.T) {
	t.Run("certificate_that_was_not_made_here", func(t *testing.T) {
		r := record(t, 2)
		r.Grow()
		if _, err := r.step(mempool.CertificateReceived{Certificate: r.Certificate(3, 0)}); !errors.Is(err, mempool.ErrTwin) {
			t.Fatalf("got %v", err)
		}
		if _, err := r.step(mempool.Demand{}); !errors.Is(err, mempool.ErrTwin) {
			t.Errorf("the next message: %v", err)
		}
	})
	t.Run("header_that_was_not_made_here", func(t *testing.T) {
		r := record(t, 2)
		h := mempooltest.NewHeader(r.Committee, 0, 900, r.Parents(2))
		if _, err := r.step(mempool.HeaderReceived{Header: h}); !errors.Is(err, mempool.ErrTwin) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("above_the_floor_of_a_rejoin", func(t *testing.T) {
		r := newRig(t).doubtful(mempool.Lost)
		r.Grow()
		for a := remora.Authority(1); a < 4; a++ {
			r.tip(a, 1, a) // the floor is 3
		}
		h := mempooltest.NewHeader(r.Committee, 0, 3, r.Parents(1))
		r.must(mempool.HeaderReceived{Header: h})
		h = mempooltest.NewHeader(r.Committee, 0, 4, r.Parents(1))
		if _, err := r.step(mempool.HeaderReceived{Header: h}); !errors.Is(err, mempool.ErrTwin) {
			t.Errorf("got %v", err)
		}
	})
}

// A header so far below those of others is of no use, and an old disk could make a second one.
func TestProposesNothingFarBelowTheTip(t *testing.T) {
	r := newRig(t)
	for range 2 + gcDepth {
		r.Grow(1, 2, 3)
	}
	r.must(mempool.CertificateReceived{Certificate: r.Certificate(2+gcDepth, 1)})
	silent(t, r.ticks(200))
	r.deliver(1)
	r.deliver(2)
	if h := proposal(r.ticks(200)); h != nil {
		t.Errorf("proposed round %d below a certificate", h.Round)
	}
}

func TestBehindIsNotReportedWhileQuiet(t *testing.T) {
	r := newRig(t)
	for range 40 {
		r.Grow(1, 2, 3)
	}
	core, err := mempool.New(r.config, mempool.Snapshot{Quiet: 50})
	if err != nil {
		t.Fatal(err)
	}
	r.core = core
	far := func(round remora.Round) int { // two of four are there, which is beyond the window
		reported := 0
		for a := remora.Authority(1); a < 3; a++ {
			ready, err := r.step(mempool.CertificateReceived{Certificate: r.Certificate(round, a)})
			if !errors.Is(err, mempool.ErrTooFarAhead) {
				t.Fatalf("round %d: %v", round, err)
			}
			reported += len(events[mempool.Behind](ready))
		}
		return reported
	}
	if far(36) != 0 {
		t.Error("reported at once")
	}
	r.ticks(50)
	if far(37) != 1 {
		t.Error("not reported afterwards")
	}
}

// wipe takes a node's disk away. What block sync would bring back, a peer's order, stands in for it.
func (c *cluster) wipe(a, peer remora.Authority) {
	n := c.nodes[a]
	c.crash(a)
	n.disk = disk{votes: map[remora.Authority]remora.Vote{}, lost: true}
	n.orderer = c.nodes[peer].orderer.clone()
}

// clone copies a disk.
func (d *disk) clone() disk {
	copied := *d
	copied.votes, copied.unsynced = map[remora.Authority]remora.Vote{}, nil
	for a, v := range d.votes {
		copied.votes[a] = v
	}
	copied.certificates = slices.Clone(d.certificates)
	return copied
}

// clone copies an orderer.
func (o *orderer) clone() *orderer {
	copied := newOrderer(o.committee)
	copied.leader, copied.order = o.leader, slices.Clone(o.order)
	for round, layer := range o.vertices {
		copied.vertices[round] = map[remora.Authority]*remora.Certificate{}
		for a, cert := range layer {
			copied.vertices[round][a] = cert
		}
	}
	for digest := range o.done {
		copied.done[digest] = true
	}
	for digest := range o.payload {
		copied.payload[digest] = true
	}
	return copied
}

// rejoins ticks under load until a node has made a certificate above what all had, which it also proves to have.
func (c *cluster) rejoins(a remora.Authority, ticks int) {
	c.t.Helper()
	above := c.nodes[0].core.Round()
	for _, n := range c.nodes {
		if !n.down {
			above = max(above, n.core.Round())
		}
	}
	for i := range ticks {
		if peer := remora.Authority(i % len(c.nodes)); i%4 == 0 && !c.nodes[peer].down {
			c.submit(peer)
		}
		c.tick()
		for key := range c.vertices {
			var author, round uint64
			if _, err := fmt.Sscanf(key, "%d/%d", &author, &round); err == nil && author == uint64(a) && remora.Round(round) > above {
				return
			}
		}
	}
	n := c.nodes[a]
	c.t.Fatalf("no certificate of %d above round %d within %d ticks: doubt %d, round %d, floor %d", a, above, ticks, n.core.Doubt(), n.core.Round(), n.disk.floor)
}

// A node whose disk is gone comes back while the others run, again and again: cluster.inspect sees that no two headers
// and no two votes of one place ever leave a core.
func TestWipedNodeRejoins(t *testing.T) {
	for seed := range int64(8) {
		c := newCluster(t, 4, seed)
		c.loss, c.delay = int(seed%4), int(seed%3)*4
		for range 5 {
			a := remora.Authority(c.chance.Intn(4))
			c.load(c.nodes[a].orderer.leader+remora.Round(6+c.chance.Intn(10)), 2, 5000)
			c.wipe(a, (a+1)%4)
			c.start(a)
			c.rejoins(a, 5000)
		}
	}
}

// A node that is started from an old copy of its disk notices and comes back.
func TestRolledBackNodeRejoins(t *testing.T) {
	for seed := range int64(8) {
		c := newCluster(t, 4, seed)
		for range 5 {
			a := remora.Authority(c.chance.Intn(4))
			n := c.nodes[a]
			c.load(n.orderer.leader+6, 2, 5000)
			old, order := n.disk.clone(), n.orderer.clone()
			c.load(n.orderer.leader+remora.Round(4+c.chance.Intn(20)), 2, 5000)
			c.crash(a)
			n.disk, n.orderer, n.doubt = old, order, mempool.Listening
			if c.nodes[(a+1)%4].orderer.leader > order.leader+gcDepth { // beyond the window: block sync
				n.orderer = c.nodes[(a+1)%4].orderer.clone()
			}
			c.start(a)
			c.rejoins(a, 5000)
			if n.disk.floor == 0 {
				t.Fatalf("seed %d: the old disk was trusted", seed)
			}
		}
	}
}

// All nodes restart at once, in doubt, at various points: no two wait for each other.
func TestAllListen(t *testing.T) {
	for seed := range int64(8) {
		c := newCluster(t, 4, seed)
		for round := remora.Round(20); round <= 60; round += 20 {
			c.load(round, 1, 2000)
			c.cut = c.chance.Intn(30)
			c.tick()
			for a := range remora.Authority(4) {
				c.crash(a)
			}
			c.cut = 0
			for a := range remora.Authority(4) {
				c.nodes[a].doubt = mempool.Listening
				c.start(a)
				c.resubmit(a)
			}
		}
		c.load(90, 2, 2000)
		c.drain(1000)
	}
}

// With all others down a listening node gives up waiting; one whose record is lost does not.
func TestAllOthersDown(t *testing.T) {
	for _, doubt := range []mempool.Doubt{mempool.Listening, mempool.Lost} {
		c := newCluster(t, 4, 1)
		c.load(10, 2, 1000)
		for a := range remora.Authority(4) {
			c.crash(a)
		}
		if doubt == mempool.Lost {
			c.wipe(2, 1)
		}
		c.nodes[2].doubt = doubt
		c.start(2)
		for range 1000 {
			c.tick()
		}
		if got := c.nodes[2].core.Doubt(); (got == mempool.Trusted) != (doubt == mempool.Listening) {
			t.Errorf("doubt %d is %d after 1000 ticks", doubt, got)
		}
		for a := range remora.Authority(4) {
			if a != 2 {
				c.start(a)
			}
		}
		c.rejoins(2, 5000)
	}
}
