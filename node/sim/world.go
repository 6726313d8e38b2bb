package sim

import (
	"container/heap"
	"crypto/sha256"
	"fmt"
	"hash"
	"math/rand/v2"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/statetest"
)

// chainID is a development chain's: it takes opaque transactions.
const chainID = "dev-sim"

// event is something that happens at a time. Equal times go by number.
type event struct {
	at     time.Duration
	number uint64
	do     func()
}

// events is a heap.
type events []event

// Len implements heap.Interface.
func (q events) Len() int { return len(q) }

// Less implements heap.Interface.
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].number < q[j].number
}

// Swap implements heap.Interface.
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *events) Push(e any) { *q = append(*q, e.(event)) }

// Pop implements heap.Interface.
func (q *events) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}

// world is one run. Each concern has a source of chance of its own: taking a fault away does not move the others.
type world struct {
	scenario  Scenario
	genesis   *remora.Genesis
	committee *remora.Committee
	now       time.Duration
	queue     events
	number    uint64
	network   *rand.Rand
	engines   *rand.Rand
	load      *rand.Rand
	nodes     []*validator
	check     *checker
	trace     hash.Hash
	err       error // of the simulation itself: it ends the run
}

// Run carries out a scenario. An error means that the simulation could not be carried out, not that a check failed.
func Run(s Scenario) (Report, error) {
	w, err := newWorld(s.withDefaults())
	if err != nil {
		return Report{}, err
	}
	for len(w.queue) > 0 && w.queue[0].at <= w.scenario.Duration && w.err == nil {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	report := w.report()
	for _, v := range w.nodes {
		v.stop()
	}
	return report, w.err
}

func newWorld(s Scenario) (*world, error) {
	g := statetest.Genesis(chainID, s.Validators)
	g.Params.GCDepth, g.Params.EpochMillis = s.GCDepth, remora.Millis(s.Epoch.Milliseconds())
	committee, err := g.Committee()
	if err != nil {
		return nil, err
	}
	w := &world{
		scenario: s, genesis: g, committee: committee, trace: sha256.New(),
		network: rand.New(rand.NewPCG(s.Seed, 1)), engines: rand.New(rand.NewPCG(s.Seed, 2)), load: rand.New(rand.NewPCG(s.Seed, 3)),
		check: newChecker(committee, s.GCDepth),
	}
	for a := range remora.Authority(s.Validators) {
		v := newValidator(w, a)
		w.nodes = append(w.nodes, v)
		w.after(0, v.start)
	}
	for _, c := range s.Crashes {
		if int(c.Node) >= s.Validators {
			return nil, fmt.Errorf("%w: crash of validator %d of %d", remora.ErrInvalid, c.Node, s.Validators)
		}
		w.after(c.At, func() { w.nodes[c.Node].condemn(c) })
	}
	if s.TxPerSecond > 0 {
		w.submit(0)
	}
	return w, nil
}

// after has something happen later.
func (w *world) after(d time.Duration, do func()) {
	w.number++
	heap.Push(&w.queue, event{at: w.now + d, number: w.number, do: do})
}

// note makes something part of the trace.
func (w *world) note(format string, args ...any) {
	fmt.Fprintf(w.trace, "%d ", w.now)
	fmt.Fprintf(w.trace, format, args...)
	w.trace.Write([]byte{'\n'})
}

// send delivers a message to a validator some time later, to whichever process runs there then, if any.
func (w *world) send(from, to remora.Authority, what string, deliver func(*validator)) {
	low, high := w.scenario.Latency[0], w.scenario.Latency[1]
	copies := 1
	if w.now < w.scenario.GST {
		if w.network.Float64() < w.scenario.Drop {
			copies = 0
		} else if w.network.Float64() < w.scenario.Duplicate {
			copies = 2
		}
	}
	for range copies {
		w.after(low+time.Duration(w.network.Int64N(int64(high-low)+1)), func() {
			v := w.nodes[to]
			w.note("%d to %d: %s %t", from, to, what, v.up)
			if v.up {
				deliver(v)
				v.settle()
			}
		})
	}
}

// submit gives transaction number n to a validator and plans the next one.
func (w *world) submit(n uint64) {
	w.after(time.Second/time.Duration(w.scenario.TxPerSecond), func() {
		payload := fmt.Appendf(nil, "transaction %d of seed %d", n, w.scenario.Seed)
		if v := w.nodes[w.load.IntN(len(w.nodes))]; v.up {
			v.submit(remora.EncodeOpaque(payload))
		}
		w.submit(n + 1)
	})
}

func (w *world) report() Report {
	for _, v := range w.nodes {
		w.check.finish(v)
	}
	w.check.owed(w)
	r := Report{
		Verdict: w.check.verdict(), Seed: w.scenario.Seed, Trace: remora.Hash(w.trace.Sum(nil)),
		Blocks: remora.Height(len(w.check.chain)), Accepted: len(w.check.accepted), Executed: len(w.check.txs),
		Crashes: w.check.crashes, Synced: w.check.synced, Entries: w.check.entries, Violations: w.check.violations,
	}
	if n := len(w.check.chain); n > 0 {
		r.Rounds, r.StateRoot = w.check.chain[n-1].round, w.check.chain[n-1].root
	}
	return r
}
