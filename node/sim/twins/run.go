package twins

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
)

// Outcome counts what happened in a run, so that a test can check that its scenarios are not idle.
type Outcome struct {
	Round         remora.Round // highest that an honest instance works on
	Committed     int          // sub-DAGs
	Equivocations int          // two headers of one round, as often as honest instances saw them
}

// Runner runs scenarios, one at a time.
type Runner struct {
	committee *remora.Committee
	leaders   func(remora.Round) (remora.Authority, bool)
}

// NewRunner returns a runner.
func NewRunner() *Runner {
	committee := mempooltest.NewCommittee(members)
	return &Runner{committee: committee, leaders: func(r remora.Round) (remora.Authority, bool) {
		return consensus.Leader(committee, r)
	}}
}

// run is one scenario under way.
type run struct {
	scenario  *Scenario
	step      int
	instances []*instance
	queue     []packet // in the order of arrival
	behind    []packet // headers of the twin that a receiver sees second
	held      []packet // what a torn network did not carry yet
	check     checker
	outcome   Outcome
}

type packet struct {
	from, to int
	message  mempool.Message
}

// instance is a validator without disk, executor and clock.
type instance struct {
	number  int
	honest  bool
	halted  bool
	core    *mempool.Core
	rule    *consensus.Bullshark
	ordered int                            // sub-DAGs
	held    [][members]*remora.Certificate // accepted, by round and author
}

// Run runs a scenario. The error joins the first violation of each kind.
func (r *Runner) Run(s *Scenario) (Outcome, error) {
	w := &run{scenario: s, check: checker{
		depth: s.Depth, vertices: make([][members]remora.Hash, len(s.Steps)+2), ordered: make(map[remora.Hash]bool),
	}}
	for i := range members + len(s.Twins) {
		n, err := r.newInstance(s, i)
		if err != nil {
			return Outcome{}, fmt.Errorf("twins: instance %d: %w", i, err)
		}
		w.instances = append(w.instances, n)
	}
	for w.step = range s.Steps {
		w.playSteps()
	}
	for _, n := range w.instances {
		if n.honest {
			w.outcome.Round = max(w.outcome.Round, n.core.Round())
		}
	}
	w.outcome.Committed = len(w.check.chain)
	return w.outcome, errors.Join(w.check.found...)
}

func (r *Runner) newInstance(s *Scenario, number int) (*instance, error) {
	core, err := mempool.New(mempool.Config{
		Committee: r.committee, Self: s.keyHolder(number), Origin: mempooltest.Origin, GCDepth: s.Depth, Leader: r.leaders,
		Pace:   mempool.Pace{HeaderDelay: 1, IdleDelay: 1, LeaderTimeout: 1, Resend: 1}, // a header each step
		Signer: mempooltest.Signer{Committee: r.committee, Self: s.keyHolder(number)},
	}, mempool.Snapshot{})
	n := &instance{
		number: number, honest: number < members, core: core,
		rule: consensus.NewBullshark(consensus.Config{
			Committee: r.committee, GCDepth: s.Depth, Origin: mempooltest.Origin, Leader: r.leaders,
		}, consensus.Snapshot{}),
		held: make([][members]*remora.Certificate, len(s.Steps)+2),
	}
	for _, a := range s.Twins {
		n.honest = n.honest && int(a) != number
	}
	return n, err
}

// playSteps lets a step pass: everybody may make a header, and all that follows from it is carried as far as the network
// carries it.
func (w *run) playSteps() {
	held := w.held
	w.held = nil
	for _, p := range held {
		w.postPacket(p)
	}
	for _, n := range w.instances {
		if !n.halted {
			n.core.Tick(remora.Millis(1000*w.step + n.number)) // no twins make the same header
			w.carryOutReady(n)
		}
	}
	for len(w.queue) > 0 {
		for i := 0; i < len(w.queue); i++ {
			w.deliverPacket(w.queue[i])
		}
		w.queue, w.behind = w.behind, w.queue[:0]
	}
}

func (w *run) deliverPacket(p packet) {
	n := w.instances[p.to]
	if n.halted {
		return
	}
	if m, ok := p.message.(mempool.CertificateReceived); ok && n.honest {
		w.check.checkCertificate(m.Certificate)
	}
	// Refusals are the sender's matter, and a twin that notices its sibling continues. If quorums signed conflicting
	// vertices, an honest node halts.
	if err := n.core.Step(p.message); n.honest && errors.Is(err, mempool.ErrSafety) {
		w.haltInstance(n, ErrCertificates, err)
		return
	}
	w.carryOutReady(n)
}

func (w *run) haltInstance(n *instance, kind, err error) {
	n.halted = true
	w.check.addViolation(kind, "instance %d: %v", n.number, err)
}

// carryOutReady does what an instance's core asks for.
func (w *run) carryOutReady(n *instance) {
	for !n.halted {
		ready, ok := n.core.Ready()
		if !ok {
			return
		}
		for i := range ready.Send {
			w.sendOutgoing(n, &ready.Send[i])
		}
		for i := range ready.Want {
			w.serveWant(n, &ready.Want[i])
		}
		for _, e := range ready.Events {
			if _, ok := e.(mempool.Equivocation); ok && n.honest {
				w.outcome.Equivocations++
			}
		}
		n.core.Advance(ready)
		for _, c := range ready.Delivered {
			w.orderCertificate(n, c)
		}
	}
}

// sendOutgoing gives a message to every instance that has the identity it is for. Twins have no link to each other.
func (w *run) sendOutgoing(n *instance, o *mempool.Outgoing) {
	var m mempool.Message
	switch {
	case o.Header != nil:
		m = mempool.HeaderReceived{Header: o.Header}
	case o.Vote != nil:
		m = mempool.VoteReceived{Vote: *o.Vote}
	default:
		m = mempool.CertificateReceived{Certificate: o.Certificate}
	}
	self := w.scenario.keyHolder(n.number)
	for to := range w.instances {
		if peer := w.scenario.keyHolder(to); peer != self && (o.Broadcast || o.To == peer) {
			w.postPacket(packet{from: n.number, to: to, message: m})
		}
	}
}

func (w *run) postPacket(p packet) {
	switch {
	case !w.scenario.areConnected(w.step, p.from, p.to):
		if w.scenario.Late {
			w.held = append(w.held, p)
		}
	case w.comesSecond(p):
		w.behind = append(w.behind, p)
	default:
		w.queue = append(w.queue, p)
	}
}

// comesSecond reports whether p is a header that its receiver sees after the one of the sender's twin.
func (w *run) comesSecond(p packet) bool {
	if _, ok := p.message.(mempool.HeaderReceived); !ok {
		return false
	}
	secondFirst := w.scenario.Steps[w.step].Second>>p.to&1 == 1
	if p.from >= members {
		return !secondFirst
	}
	return secondFirst && !w.instances[p.from].honest
}

// serveWant answers a request for certificates by every instance that has the asked identity, as far as it has them.
func (w *run) serveWant(n *instance, want *mempool.Want) {
	for from, peer := range w.instances {
		if w.scenario.keyHolder(from) != want.From || !w.scenario.areConnected(w.step, n.number, from) {
			continue
		}
		for _, p := range want.Parents {
			if c := peer.held[want.Round][p.Author]; c != nil && c.Digest() == p.Digest {
				w.queue = append(w.queue, packet{from: from, to: n.number, message: mempool.CertificateReceived{Certificate: c}})
			}
		}
	}
}

// orderCertificate gives an accepted certificate to the commit rule, and what that commits back to the core.
func (w *run) orderCertificate(n *instance, c *remora.Certificate) {
	n.held[c.Round()][c.Author()] = c
	if n.honest {
		w.check.checkCertificate(c)
	}
	subs, err := n.rule.Insert(c)
	if err != nil && n.honest {
		w.haltInstance(n, ErrRefused, err)
	}
	if err != nil || len(subs) == 0 {
		return
	}
	for i := range subs {
		digest := n.rule.Previous()
		if i+1 < len(subs) {
			digest = subs[i+1].Previous
		}
		if n.honest {
			w.check.checkOrder(n.ordered, &subs[i], digest)
		}
		n.ordered++
	}
	if err := n.core.Step(mempool.Ordered{SubDAGs: subs}); err != nil && n.honest {
		w.haltInstance(n, ErrRefused, err)
	}
}
