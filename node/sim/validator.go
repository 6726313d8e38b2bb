package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/registry"
)

// tick is the length of a core's logical tick.
const tick = 5 * time.Millisecond

// validator is a disk and the process that runs on it, if one does. What a process knows is in life, so that nothing
// outlives it but the disk.
type validator struct {
	world   *world
	self    remora.Authority
	twin    bool // a second copy; it belongs to the adversary
	actor   *actor
	disk    disk
	offset  time.Duration // of the wall clock
	up      bool
	full    bool   // ended because it could not write
	crashed bool   // ever
	started bool   // ever
	doom    *Fault // waits for its point
	began   time.Duration
	*life
}

// life is a process.
type life struct {
	store    *store.Store
	exec     *exec.Executor
	core     *mempool.Core
	order    *consensus.Bullshark
	batches  *worker.Core
	calendar *state.Calendar     // of what is ordered
	clients  map[uint64][]client // by the batch under construction that took their transactions
	waiting  []remora.BatchRef   // own, held by a quorum, not executed
	passed   []passedRound
	queue    []work // for the engine, in order
	working  bool   // the engine is at it
	sources  *peers.Sources
	asking   []remora.Authority // by the engine for batches, next
	attempt  int                // counts those questions and their ends
	catching bool               // block sync runs, or will
	sync     *catchUp
	peer     remora.Authority // that block sync asked last
	heard    []*remora.Header // by author: the newest that came
	epoch    remora.Epoch     // that the worker was told
}

// client waits for the acknowledgement of a transaction.
type client struct {
	tx   []byte
	sent time.Duration
}

// passedRound says when ordering passed a round.
type passedRound struct {
	round remora.Round
	at    time.Duration
}

func newValidator(w *world, self remora.Authority) *validator {
	return &validator{world: w, self: self, disk: newDisk(w.disks.Uint64(), &w.values)}
}

// isFaulty reports whether the adversary has the validator, now or at another time: nothing is asked of it.
func (v *validator) isFaulty() bool { return v.twin || v.world.check.faulty[v.self] }

// wallClock is the wall clock, not before 1970.
func (v *validator) wallClock() remora.Millis {
	now := int64(v.world.genesis.Time) + (v.world.now + v.offset).Milliseconds()
	return remora.Millis(max(now, 0))
}

// startProcess runs a new process on the disk.
func (v *validator) startProcess() {
	w := v.world
	if err := v.openProcess(); err != nil {
		v.haltProcess(fmt.Errorf("start: %w", err))
		return
	}
	v.up, v.started, v.began = true, true, w.now
	tip := v.exec.View().Tip
	w.trace.addEvent(w.now, starts, v.self, v.self, tip.Hash)
	w.check.checkStart(v, tip)
	v.wakeAfter(tick, v.tickCores)
	v.startNextWork()
	v.carryOut()
}

// openProcess does what node.New and a primary's start do.
func (v *validator) openProcess() error {
	w := v.world
	n := w.committee.Size()
	v.life = &life{clients: map[uint64][]client{}, heard: make([]*remora.Header, n), sources: peers.NewSources(v.self, n)}
	var err error
	if v.store, err = v.disk.openStore(); err != nil {
		return err
	}
	if v.exec, err = exec.OpenWith(w.genesis, v.store, w.signed.newVerdicts()); err != nil {
		return err
	}
	epoch, err := registry.GetEpoch(v.exec.View().Tables)
	if err != nil {
		return err
	}
	v.epoch = epoch.Number
	v.batches, _, err = restore.Worker(v.store, worker.Config{
		Committee: w.committee, Self: v.self, FirstSeq: uint64(w.now), Epoch: epoch.Number,
	})
	if err != nil {
		return err
	}
	doubt, err := v.judgeDisk()
	if err != nil {
		return err
	}
	return v.rebuildCores(doubt)
}

// judgeDisk says how far the disk can be trusted to hold all that was signed. The adversary has no doubts.
func (v *validator) judgeDisk() (mempool.Doubt, error) {
	if !v.started || v.isFaulty() {
		return mempool.Trusted, v.store.BeginDAG()
	}
	complete, err := v.store.Complete()
	if err != nil || complete {
		return mempool.Listening, err
	}
	return mempool.Lost, nil
}

// rebuildCores takes the cores from the store: the same way after a crash and after block sync.
func (v *validator) rebuildCores(doubt mempool.Doubt) error {
	w := v.world
	cores, err := restore.Build(v.store, restore.Config{
		Genesis: w.genesis, Committee: w.committee, Self: v.self, Signer: w.signed.signerOf(v.self), Doubt: doubt,
	})
	if err != nil {
		return err
	}
	v.core, v.order, v.catching = cores.Mempool, cores.Order, false
	if v.calendar, err = state.NewCalendar(w.committee, &w.genesis.Params, v.exec.View()); err != nil {
		return err
	}
	v.enqueueSubDAGs(cores.Committed)
	return nil
}

// wakeAfter has this process do something later, unless it has ended by then.
func (v *validator) wakeAfter(d time.Duration, do func()) {
	process := v.life
	v.world.runAfter(d, func() {
		if v.up && v.life == process {
			do()
			v.carryOut()
		}
	})
}

// stopProcess ends the process and frees what it held.
func (v *validator) stopProcess() {
	if v.life != nil && v.store != nil {
		if err := v.store.Close(); err != nil && !isDiskFull(err) {
			v.world.err = errors.Join(v.world.err, fmt.Errorf("close the store of validator %d: %w", v.self, err))
		}
		v.store = nil
	}
	v.up, v.doom = false, nil
}

// haltProcess ends a process that must not go on. One that found its disk full starts again when there is room; any other never
// comes back, and if it is a correct one, something is wrong.
func (v *validator) haltProcess(err error) {
	switch {
	case isDiskFull(err):
		v.stopDiskFull()
		return
	case !v.isFaulty():
		v.world.check.addViolation(Diverged, "validator %d halts at %v: %v", v.self, v.world.now, err)
	}
	v.stopProcess()
}

func (v *validator) tickCores() {
	v.wakeAfter(tick, v.tickCores)
	v.batches.Tick()
	if v.catching {
		return
	}
	v.core.Tick(v.wallClock())
	v.pruneDAG()
}

// pruneDAG deletes certificates that ordering passed long enough ago.
func (v *validator) pruneDAG() {
	passed := 0
	for passed < len(v.passed) && v.world.now-v.passed[passed].at >= v.world.scenario.Served {
		passed++
	}
	if passed == 0 {
		return
	}
	if err := v.store.PruneDAG(v.passed[passed-1].round); err != nil {
		v.haltProcess(err)
		return
	}
	v.passed = slices.Delete(v.passed, 0, passed)
}

// stepMempool hands a message to the mempool core. Refusals are the sender's matter; contradicting quorums are not. The
// adversary's own copies go on after them.
func (v *validator) stepMempool(m mempool.Message) {
	if !v.up || v.catching {
		return
	}
	if err := v.core.Step(m); errors.Is(err, mempool.ErrSafety) && !v.isFaulty() {
		v.haltProcess(err)
	}
}

// receiveMessage verifies what came over the network, as the node's shell does, and hands it on.
func (v *validator) receiveMessage(m mempool.Message) {
	w := v.world
	switch m := m.(type) {
	case mempool.HeaderReceived:
		h := m.Header
		if !w.signed.verifyHeader(h) {
			return
		}
		if old := v.heard[h.Author]; old == nil || old.Round < h.Round {
			v.heard[h.Author] = h
		}
	case mempool.CertificateReceived:
		if !w.signed.verifyCertificate(m.Certificate) {
			return
		}
	}
	if v.actor != nil && v.actor.interceptReceived(m) {
		return
	}
	v.stepMempool(m)
}

// carryOut carries out what the cores ask for until they ask for nothing.
func (v *validator) carryOut() {
	for v.up && (v.carryOutWorker() || v.up && v.carryOutMempool()) {
	}
}

func (v *validator) carryOutMempool() bool {
	if v.catching {
		return false
	}
	rd, ok := v.core.Ready()
	if !ok {
		return false
	}
	if len(rd.Persist) > 0 && !v.saveRecords(&rd) {
		return true
	}
	for i := range rd.Send {
		v.sendOutgoing(&rd.Send[i])
	}
	v.deliverCertificates(rd.Delivered)
	if !v.up {
		return true
	}
	v.core.Advance(rd)
	for _, want := range rd.Want {
		v.want(want)
	}
	v.observeEvents(rd.Events)
	return true
}

// saveRecords writes what must be durable before anything is sent, and reports whether the process lives on.
func (v *validator) saveRecords(rd *mempool.Ready) bool {
	if v.crashesAt(Unsaved) {
		return false
	}
	records := rd.Persist
	if v.world.scenario.sabotage != nil {
		records = v.world.scenario.sabotage(v.self, records)
	}
	if err := v.store.SaveDAG(records, rd.Sync); err != nil {
		v.haltProcess(err)
		return false
	}
	return !v.crashesAt(Unsent)
}

func (v *validator) sendOutgoing(o *mempool.Outgoing) {
	if !v.isFaulty() {
		v.world.check.checkSent(v.self, o)
	}
	if v.actor != nil && v.actor.replaceSent(o) {
		return
	}
	v.transmitMessage(o, o.To)
}

// transmitMessage sends a message to one authority, or to all others.
func (v *validator) transmitMessage(o *mempool.Outgoing, to remora.Authority) {
	m, kind, about := messageOf(o)
	if !o.Broadcast {
		v.world.sendMessage(v, to, kind, about, func(peer *validator) { peer.receiveMessage(m) })
		return
	}
	for to := range remora.Authority(v.world.committee.Size()) {
		if to != v.self {
			v.world.sendMessage(v, to, kind, about, func(peer *validator) { peer.receiveMessage(m) })
		}
	}
}

func messageOf(o *mempool.Outgoing) (mempool.Message, what, remora.Hash) {
	switch {
	case o.Header != nil:
		return mempool.HeaderReceived{Header: o.Header}, headerArrives, o.Header.Digest()
	case o.Vote != nil:
		return mempool.VoteReceived{Vote: *o.Vote}, voteArrives, o.Vote.Digest
	}
	return mempool.CertificateReceived{Certificate: o.Certificate}, certificateArrives, o.Certificate.Digest()
}

// deliverCertificates orders certificates and queues what was committed.
func (v *validator) deliverCertificates(certificates []*remora.Certificate) {
	var committed []remora.SubDAG
	for _, c := range certificates {
		subs, err := v.order.Insert(c)
		if err != nil {
			v.haltProcess(err)
			return
		}
		committed = append(committed, subs...)
	}
	if len(committed) == 0 {
		return
	}
	v.enqueueSubDAGs(committed)
	v.passed = append(v.passed, passedRound{round: v.order.GCRound(), at: v.world.now})
	v.stepMempool(mempool.Ordered{SubDAGs: committed})
}

func (v *validator) observeEvents(events []mempool.Event) {
	for _, e := range events {
		switch e := e.(type) {
		case mempool.Behind:
			v.catching = true
			v.queue = append(v.queue, work{})
			v.startNextWork()
			return
		case mempool.Equivocation:
			v.world.check.checkEvidence(v, e)
		case mempool.Rejoined:
			v.world.check.rejoined++
		}
	}
}
