package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/store/crashfs"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/registry"
	"github.com/remora-network/remora/state/statetest"
)

// tick is the length of a core's logical tick.
const tick = 5 * time.Millisecond

// verdicts are cheap ones.
type verdicts struct{ statetest.Verifier }

// Prime implements exec.Verdicts.
func (*verdicts) Prime([]state.Statement) {}

// Forget implements exec.Verdicts.
func (*verdicts) Forget() {}

// validator is a disk and the process that runs on it, if one does. What a process knows is in life, so that nothing
// outlives it but the disk.
type validator struct {
	world *world
	self  remora.Authority
	disk  *crashfs.FS
	up    bool
	doom  *Crash // waits for its point
	began time.Duration
	*life
}

// life is a process.
type life struct {
	store    *store.Store
	exec     *exec.Executor
	core     *mempool.Core
	order    *consensus.Bullshark
	batches  *worker.Core
	clients  map[uint64][][]byte // transactions by the batch under construction that took them
	waiting  []remora.BatchRef   // own, held by a quorum, not executed
	passed   []passedRound
	queue    []work // for the engine, in order
	working  bool   // the engine is at it
	attempt  int    // of the engine to fetch batches
	catching bool   // block sync runs, or will
	sync     *catchUp
	epoch    remora.Epoch // that the worker was told
}

// passedRound says when ordering passed a round.
type passedRound struct {
	round remora.Round
	at    time.Duration
}

func newValidator(w *world, self remora.Authority) *validator {
	return &validator{world: w, self: self, disk: crashfs.New(w.scenario.Seed)}
}

// clock is the wall clock.
func (v *validator) clock() remora.Millis {
	return v.world.genesis.Time + remora.Millis(v.world.now.Milliseconds())
}

// start runs a new process on the disk.
func (v *validator) start() {
	if err := v.open(); err != nil {
		v.world.check.fail(Diverged, "validator %d does not start at %v: %v", v.self, v.world.now, err)
		v.stop()
		return
	}
	v.up, v.began = true, v.world.now
	tip := v.exec.View().Tip
	v.world.note("%d starts at height %d %s", v.self, tip.Height, tip.Hash)
	v.world.check.started(v.self, tip)
	v.wake(tick, v.tick)
	v.work()
	v.settle()
}

// open does what node.New and a primary's start do.
func (v *validator) open() error {
	w := v.world
	v.life = &life{clients: map[uint64][][]byte{}}
	var err error
	if v.store, err = store.Open("home", store.Options{FS: v.disk, Cache: 1 << 20}); err != nil {
		return err
	}
	if v.exec, err = exec.OpenWith(w.genesis, v.store, new(verdicts)); err != nil {
		return err
	}
	epoch, err := registry.GetEpoch(v.exec.View().Tables)
	if err != nil {
		return err
	}
	v.batches, _, err = restore.Worker(v.store, worker.Config{
		Committee: w.committee, Self: v.self, FirstSeq: uint64(w.now), Epoch: epoch.Number,
	})
	if err != nil {
		return err
	}
	return v.rebuild()
}

// rebuild takes the cores from the store: the same way after a crash and after block sync.
func (v *validator) rebuild() error {
	w := v.world
	cores, err := restore.Build(v.store, restore.Config{
		Genesis: w.genesis, Committee: w.committee, Self: v.self,
		Signer: mempooltest.Signer{Committee: w.committee, Self: v.self},
	})
	if err != nil {
		return err
	}
	v.core, v.order, v.catching = cores.Mempool, cores.Order, false
	v.enqueue(cores.Committed)
	return nil
}

// wake has this process do something later, unless it has ended by then.
func (v *validator) wake(d time.Duration, do func()) {
	process := v.life
	v.world.after(d, func() {
		if v.up && v.life == process {
			do()
			v.settle()
		}
	})
}

// condemn crashes the process now or at the next point that the crash names.
func (v *validator) condemn(c Crash) {
	if !v.up || v.doom != nil {
		return
	}
	if v.doom = &c; c.Point == Idle {
		v.crash()
	}
}

// dies crashes the process if it is its time to die there, and reports whether it did.
func (v *validator) dies(p Point) bool {
	if v.doom == nil || v.doom.Point != p {
		return false
	}
	v.crash()
	return true
}

func (v *validator) crash() {
	c := v.doom
	v.world.note("%d crashes", v.self)
	v.world.check.crashes++
	image := v.disk.Crash(crashfs.Strict)
	v.stop()
	if c.Keep {
		image = v.disk.Crash(crashfs.Strict) // closing synced the rest
	}
	v.disk = image
	if c.Until > 0 {
		v.world.after(max(c.Until-v.world.now, 0), v.start)
	}
}

// stop ends the process and frees what it held.
func (v *validator) stop() {
	if v.life != nil && v.store != nil {
		if err := v.store.Close(); err != nil {
			v.world.err = errors.Join(v.world.err, fmt.Errorf("close the store of validator %d: %w", v.self, err))
		}
		v.store = nil
	}
	v.up, v.doom = false, nil
}

// halt ends a process that must not go on. It never comes back.
func (v *validator) halt(err error) {
	v.world.check.fail(Diverged, "validator %d halts at %v: %v", v.self, v.world.now, err)
	v.stop()
}

func (v *validator) tick() {
	v.wake(tick, v.tick)
	v.batches.Tick()
	if v.catching {
		return
	}
	v.core.Tick(v.clock())
	v.prune()
}

// prune deletes certificates that ordering passed long enough ago.
func (v *validator) prune() {
	passed := 0
	for passed < len(v.passed) && v.world.now-v.passed[passed].at >= v.world.scenario.Served {
		passed++
	}
	if passed == 0 {
		return
	}
	if err := v.store.PruneDAG(v.passed[passed-1].round); err != nil {
		v.halt(err)
		return
	}
	v.passed = slices.Delete(v.passed, 0, passed)
}

// step hands a message to the mempool core. Refusals are the sender's matter; contradicting quorums are not.
func (v *validator) step(m mempool.Message) {
	if !v.up || v.catching {
		return
	}
	if err := v.core.Step(m); errors.Is(err, mempool.ErrSafety) {
		v.halt(err)
	}
}

// settle carries out what the cores ask for until they ask for nothing.
func (v *validator) settle() {
	for v.up && (v.settleWorker() || v.up && v.settleMempool()) {
	}
}

func (v *validator) settleMempool() bool {
	if v.catching {
		return false
	}
	rd, ok := v.core.Ready()
	if !ok {
		return false
	}
	if len(rd.Persist) > 0 {
		if v.dies(Unsaved) {
			return true
		}
		records := rd.Persist
		if v.world.scenario.sabotage != nil {
			records = v.world.scenario.sabotage(v.self, records)
		}
		if err := v.store.SaveDAG(records, rd.Sync); err != nil {
			v.halt(err)
			return true
		}
		if v.dies(Unsent) {
			return true
		}
	}
	for i := range rd.Send {
		v.send(&rd.Send[i])
	}
	v.deliver(rd.Delivered)
	if !v.up {
		return true
	}
	v.core.Advance(rd)
	for _, want := range rd.Want {
		v.want(want)
	}
	v.observe(rd.Events)
	return true
}

func (v *validator) send(o *mempool.Outgoing) {
	v.world.check.sent(v.self, o)
	var m mempool.Message
	var what string
	switch {
	case o.Header != nil:
		m, what = mempool.HeaderReceived{Header: o.Header}, "header "+o.Header.Digest().String()
	case o.Vote != nil:
		m, what = mempool.VoteReceived{Vote: *o.Vote}, "vote "+o.Vote.Digest.String()
	default:
		m, what = mempool.CertificateReceived{Certificate: o.Certificate}, "certificate "+o.Certificate.Digest().String()
	}
	for to := range remora.Authority(v.world.committee.Size()) {
		if to != v.self && (o.Broadcast || to == o.To) {
			v.world.send(v.self, to, what, func(peer *validator) { peer.step(m) })
		}
	}
}

// deliver orders certificates and queues what was committed.
func (v *validator) deliver(certificates []*remora.Certificate) {
	var committed []remora.SubDAG
	for _, c := range certificates {
		subs, err := v.order.Insert(c)
		if err != nil {
			v.halt(err)
			return
		}
		committed = append(committed, subs...)
	}
	if len(committed) == 0 {
		return
	}
	v.enqueue(committed)
	v.passed = append(v.passed, passedRound{round: v.order.GCRound(), at: v.world.now})
	v.step(mempool.Ordered{SubDAGs: committed})
}

func (v *validator) observe(events []mempool.Event) {
	for _, e := range events {
		switch e := e.(type) {
		case mempool.Behind:
			v.catching = true
			v.queue = append(v.queue, work{})
			v.work()
			return
		case mempool.Equivocation:
			v.world.check.fail(Diverged, "validator %d has evidence against %d in round %d", v.self, e.Second.Author, e.Second.Round)
		}
	}
}
