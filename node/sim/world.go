package sim

import (
	"math/rand/v2"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/statetest"
)

// chainID is a development chain's: it takes opaque transactions.
const chainID = "dev-sim"

// victim has an account: forged transactions name it as their sender.
const victim = "victim"

// world is one run. Each concern has a source of chance of its own: taking a fault away does not move the others.
type world struct {
	scenario  Scenario
	genesis   *remora.Genesis
	machine   *state.Machine
	committee *remora.Committee
	now       time.Duration
	queue     queue
	network   *network
	engines   *rand.Rand // how long executions take
	load      *rand.Rand // who gets a transaction
	disks     *rand.Rand // what a crash loses
	evil      *rand.Rand // what Byzantine validators do
	nodes     []*host
	twins     []*host
	values    store.Values // that the disks have in common
	signed    *signatures
	check     *checker
	trace     *trace
	err       error // of the simulation itself: it ends the run
}

// Run carries out a scenario. An error means that the simulation could not be carried out, not that a check failed.
func Run(s Scenario) (Outcome, error) {
	s = s.WithDefaults()
	if err := s.Check(); err != nil {
		return Outcome{}, err
	}
	w, err := newWorld(s)
	if err != nil {
		return Outcome{}, err
	}
	w.runUntil(s.Duration)
	outcome := w.outcome()
	for _, v := range w.allCopies() {
		v.stopProcess()
	}
	return outcome, w.err
}

// runUntil carries on up to a time.
func (w *world) runUntil(end time.Duration) {
	for w.err == nil {
		e, more := w.queue.nextEvent(end)
		if !more {
			break
		}
		w.now = e.at
		e.do()
	}
	w.now = end
}

func newWorld(s Scenario) (*world, error) {
	g := genesisOf(&s)
	signed, err := newSignatures(s.Signatures, g)
	if err != nil {
		return nil, err
	}
	machine, err := state.NewMachine(g)
	if err != nil {
		return nil, err
	}
	chance := func(concern uint64) *rand.Rand { return rand.New(rand.NewPCG(s.Seed, concern)) }
	w := &world{
		scenario: s, genesis: g, machine: machine, committee: signed.committee.Committee, signed: signed, network: newNetwork(&s), trace: newTrace(),
		engines: chance(2), load: chance(3), disks: chance(4), evil: chance(5),
		check: newChecker(signed.committee.Committee, &s),
	}
	for a := range remora.Authority(s.Validators) {
		v := newHost(w, a)
		w.nodes = append(w.nodes, v)
		w.runAfter(0, v.startProcess)
	}
	for i := range s.Faults {
		w.planFault(&w.scenario.Faults[i])
	}
	if s.TxPerSecond > 0 {
		w.planTransactions(0)
	}
	return w, nil
}

func genesisOf(s *Scenario) *remora.Genesis {
	g := statetest.Genesis(chainID, s.Validators, victim)
	g.Params.GCDepth = s.GCDepth
	g.Params.EpochMillis, g.Params.EpochBlocks = 100, s.EpochBlocks
	if s.EpochBlocks == 0 {
		g.Params.EpochMillis = remora.Millis((1000 * time.Hour).Milliseconds())
	}
	for i, stake := range s.Stake {
		g.Validators[i].Stake = remora.Amount(stake)
	}
	return g
}

// allCopies returns all copies of all validators.
func (w *world) allCopies() []*host {
	return append(w.nodes[:len(w.nodes):len(w.nodes)], w.twins...)
}

// runAfter has something happen later.
func (w *world) runAfter(d time.Duration, do func()) { w.queue.addEvent(w.now+d, do) }

// runAt has something happen at a time, at once when it has passed.
func (w *world) runAt(t time.Duration, do func()) { w.queue.addEvent(max(t, w.now), do) }

// sendMessage delivers a message to the copies of a validator some time later, to whichever process runs there then, if any.
func (w *world) sendMessage(from *host, to remora.Authority, kind what, about remora.Hash, deliver func(*host)) {
	w.sendToCopy(from, w.nodes[to], kind, about, deliver)
	for _, v := range w.twins {
		if v.self == to {
			w.sendToCopy(from, v, kind, about, deliver)
		}
	}
}

// resendAfter is how long a connection waits before it sends again what the network lost.
const resendAfter = 200 * time.Millisecond

func (w *world) sendToCopy(from, to *host, kind what, about remora.Hash, deliver func(*host)) {
	if !w.network.linkIsUp(from, to) || from.actor != nil && from.actor.behaviour == Silent {
		return
	}
	copies, lost := 1, time.Duration(0)
	if w.now < w.scenario.GST {
		copies = w.network.drawCopies()
	}
	if kind.overConnection() {
		if copies == 0 {
			lost = resendAfter
		}
		copies = 1
	}
	for range copies {
		w.runAfter(lost+w.network.drawDelay(from.self, to.self), func() {
			if !to.up && !kind.overConnection() {
				return
			}
			w.trace.addEvent(w.now, kind, from.self, to.self, about)
			deliver(to)
			to.carryOut()
		})
	}
}

// planTransactions gives transaction number n to a validator that is up and plans the next one.
func (w *world) planTransactions(n uint64) {
	w.runAfter(time.Second/time.Duration(w.scenario.TxPerSecond), func() {
		start := w.load.IntN(len(w.nodes))
		for i := range w.nodes {
			if v := w.nodes[(start+i)%len(w.nodes)]; v.up {
				v.submitTx(n)
				break
			}
		}
		w.planTransactions(n + 1)
	})
}

func (w *world) outcome() Outcome {
	for _, v := range w.nodes {
		w.check.checkEnd(v)
	}
	w.check.checkOwed(w)
	c := w.check
	c.Verdict, c.Trace, c.Deliveries = c.worstVerdict(), w.trace.traceHash(), w.trace.events
	c.Accepted, c.Executed, c.Latency = len(c.accepted), c.countExecuted(), latencyOf(c.waits)
	if n := len(c.chain); n > 0 {
		c.Blocks, c.Rounds, c.StateRoot = remora.Height(n), c.chain[n-1].round, c.chain[n-1].root
	}
	return c.Outcome
}
