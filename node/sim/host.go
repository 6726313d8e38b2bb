package sim

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/validator"
	"github.com/remora-network/remora/state/registry"
)

// tick is the length of a core's logical tick.
const tick = 5 * time.Millisecond

// What may wait of an author, and what it may send ahead: less than in a node, in the same ratio, so that an attack that fills
// them up takes seconds.
const (
	maxPending = 512 << 10
	pushQuota  = 8 * maxPending
)

// host is a validator's disk and the process that runs on it, if one does. What a process knows is in life, so that
// nothing outlives it but the disk.
type host struct {
	world   *world
	self    remora.Authority
	twin    bool // a second copy; it belongs to the adversary
	actor   *actor
	disk    disk
	offset  time.Duration // of the wall clock
	up      bool
	full    bool   // ended because it could not write
	crashed bool   // ever
	doom    *Fault // waits for its point
	began   time.Duration
	*life
}

// life is a process: the cores, and the node's decisions about them, driven by events in the place of goroutines.
type life struct {
	store    *store.Store
	exec     *exec.Executor
	core     *mempool.Core
	order    *consensus.Bullshark
	batches  *worker.Core
	clients  map[uint64][]client // by the batch under construction that took their transactions
	handlers map[string]p2p.Handler
	heard    *peers.Heard

	signing   *validator.Signing
	rebuild   validator.Rebuild
	retention validator.Retention
	progress  validator.Progress
	backlog   validator.Backlog // for the engine
	own       validator.OwnBatches
	announcer *validator.Announcer
	sources   *peers.Sources
	sync      blockSync
	working   bool // the engine is at the oldest work
	catching  bool // block sync runs, or will
}

// client waits for the acknowledgement of a transaction.
type client struct {
	tx   []byte
	sent time.Duration
}

// newHost returns a host that has never run.
func newHost(w *world, self remora.Authority) *host {
	return &host{world: w, self: self, disk: newDisk(w.disks.Uint64(), &w.values)}
}

// isFaulty reports whether the adversary controls the validator at any time: the checker then expects nothing of it.
func (v *host) isFaulty() bool { return v.twin || v.world.check.faulty[v.self] }

// wallClock is the wall clock, not before 1970.
func (v *host) wallClock() remora.Millis {
	now := int64(v.world.genesis.Time) + (v.world.now + v.offset).Milliseconds()
	return remora.Millis(max(now, 0))
}

// instant is the monotonic clock of the node's decisions.
func (v *host) instant() time.Time { return time.Unix(0, 0).Add(v.world.now) }

// startProcess runs a new process on the disk.
func (v *host) startProcess() {
	w := v.world
	if err := v.openProcess(); err != nil {
		v.haltProcess(fmt.Errorf("start: %w", err))
		return
	}
	v.up, v.began = true, w.now
	tip := v.exec.View().Tip
	w.trace.addEvent(w.now, starts, v.self, v.self, tip.Hash)
	w.check.checkStart(v, tip)
	v.wakeAfter(tick, v.tickCores)
	v.wakeAfter(validator.ReissueEvery, v.reissueShares)
	if v.passOn(v.announcer.Resume(v.instant())) {
		v.startNextWork()
	}
	v.carryOut()
}

// openProcess does what node.New and a primary's start do.
func (v *host) openProcess() error {
	w := v.world
	n := w.committee.Size()
	v.life = &life{
		clients: map[uint64][]client{}, heard: peers.NewHeard(n), sources: peers.NewSources(v.self, n),
		sync: blockSync{pull: blocksync.NewPull(v.self, w.committee)}, retention: validator.Retention{Served: w.scenario.Served},
	}
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
	v.batches, _, err = restore.Worker(v.store, worker.Config{
		Committee: w.committee, Self: v.self, FirstSeq: uint64(w.now), Epoch: epoch.Number,
		MaxPending: maxPending, PushQuota: pushQuota, Keep: w.machine.MayExecute,
	})
	if err != nil {
		return err
	}
	v.wireDecisions()
	doubt, err := v.judgeDisk()
	if err != nil {
		return err
	}
	v.rebuild.Cores = restore.Config{
		Genesis: w.genesis, Committee: w.committee, Self: v.self, Signer: w.signed.signerOf(v.self), Doubt: doubt,
	}
	return v.rebuildCores()
}

// wireDecisions builds the process's decisions and its handlers of requests.
func (v *host) wireDecisions() {
	w := v.world
	v.announcer = validator.NewAnnouncer(validator.AnnouncerConfig{
		Self: v.self, Committee: w.signed.committee, Signer: w.signed.blockSignerOf(v.self), Store: v.store, Exec: v.exec,
		Progress: &v.progress,
	})
	v.handlers = (&peers.Server{Domain: w.committee.Domain, Store: v.store}).Handlers()
	tips := &peers.TipServer{Committee: w.signed.committee, Store: v.store, Depth: w.scenario.GCDepth, Heard: v.heard}
	maps.Copy(v.handlers, tips.Handlers())
}

// judgeDisk says how far the disk can be trusted to hold all that was signed. The adversary has no doubts.
func (v *host) judgeDisk() (mempool.Doubt, error) {
	if v.isFaulty() {
		return mempool.Trusted, v.store.BeginDAG()
	}
	var doubt mempool.Doubt
	var err error
	identity := keystore.Record{ChainID: chainID}
	v.signing, doubt, err = validator.OpenSigning(v.store, v.world.committee.Domain, v.disk.record, identity, func(r keystore.Record) error {
		v.disk.record = &r
		return nil
	})
	return doubt, err
}

// rebuildCores builds the cores from the store: the same way after a crash and after block sync.
func (v *host) rebuildCores() error {
	w := v.world
	cores, err := restore.Build(v.store, v.rebuild.Prepare(v.store.Height(), v.core))
	if err != nil {
		return err
	}
	v.core, v.order, v.catching = cores.Mempool, cores.Order, false
	if err := v.backlog.Begin(w.committee, &w.genesis.Params, v.exec.View()); err != nil {
		return err
	}
	v.backlog.AddOrdered(cores.Committed)
	v.tellWorker(worker.EpochOrdered{Epoch: v.backlog.Epoch()})
	v.stepMempool(mempool.EpochOrdered{Epoch: v.backlog.Epoch()})
	return nil
}

// wakeAfter has this process do something later, unless it has ended by then.
func (v *host) wakeAfter(d time.Duration, do func()) {
	process := v.life
	v.world.runAfter(d, func() {
		if v.up && v.life == process {
			do()
			v.carryOut()
		}
	})
}

// stopProcess ends the process and frees what it held.
func (v *host) stopProcess() {
	if v.life != nil && v.store != nil {
		if err := v.store.Close(); err != nil && !isDiskFull(err) {
			v.world.err = errors.Join(v.world.err, fmt.Errorf("close the store of validator %d: %w", v.self, err))
		}
		v.store = nil
	}
	v.up, v.doom = false, nil
}

// haltProcess ends a process after a failure. After a full disk it starts again when there is room; after any other it stays
// down, a violation unless the validator is faulty.
func (v *host) haltProcess(err error) {
	switch {
	case isDiskFull(err):
		v.stopDiskFull()
		return
	case !v.isFaulty():
		v.world.check.addViolation(Diverged, "validator %d halts at %v: %v", v.self, v.world.now, err)
	}
	v.stopProcess()
}

func (v *host) tickCores() {
	v.wakeAfter(tick, v.tickCores)
	v.batches.Tick()
	if v.catching {
		return
	}
	v.core.Tick(v.wallClock())
	v.pruneDAG()
	if v.up && v.actor != nil {
		v.actor.attackPeers()
	}
}

// pruneDAG deletes certificates that are not needed any more.
func (v *host) pruneDAG() {
	gc := v.retention.TakeDue(v.instant(), v.progress.CertifiedLeader())
	if gc == 0 {
		return
	}
	if err := v.store.PruneDAG(gc); err != nil {
		v.haltProcess(err)
	}
}

// stepMempool hands a message to the mempool core. Refusals are the sender's matter; contradicting quorums are not. The
// adversary's own copies continue after them.
func (v *host) stepMempool(m mempool.Message) {
	if !v.up || v.catching {
		return
	}
	if err := v.core.Step(m); errors.Is(err, mempool.ErrSafety) && !v.isFaulty() {
		v.haltProcess(err)
	}
}

// receiveMessage verifies what came over the network, as the node's shell does, and hands it on.
func (v *host) receiveMessage(m mempool.Message) {
	w := v.world
	switch m := m.(type) {
	case mempool.HeaderReceived:
		h := m.Header
		if !w.signed.verifyHeader(h) {
			return
		}
		v.heard.Note(h)
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
func (v *host) carryOut() {
	for v.up && (v.carryOutWorker() || v.up && v.carryOutMempool()) {
	}
}

func (v *host) carryOutMempool() bool {
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
		v.bringWanted(want)
	}
	v.observeEvents(rd.Events)
	v.progress.EnterRound(v.core.Round())
	return true
}

// saveRecords writes what must be durable before anything is sent, and reports whether the process lives on.
func (v *host) saveRecords(rd *mempool.Ready) bool {
	if v.crashesAt(Unsaved) {
		return false
	}
	records := rd.Persist
	if v.world.scenario.sabotage != nil {
		records = v.world.scenario.sabotage(v.self, records)
	}
	if v.signing != nil {
		if err := v.signing.CoverRecords(records); err != nil {
			v.haltProcess(err)
			return false
		}
	}
	if err := v.store.SaveDAG(records, rd.Sync); err != nil {
		v.haltProcess(err)
		return false
	}
	return !v.crashesAt(Unsent)
}

func (v *host) sendOutgoing(o *mempool.Outgoing) {
	if !v.isFaulty() {
		v.world.check.checkSent(v.self, o)
	}
	if v.actor != nil && v.actor.replaceSent(o) {
		return
	}
	v.transmitMessage(o, o.To)
}

// transmitMessage sends a message to one authority, or to all others.
func (v *host) transmitMessage(o *mempool.Outgoing, to remora.Authority) {
	m, kind, about := messageOf(o)
	for a := range remora.Authority(v.world.committee.Size()) {
		if o.Broadcast && a != v.self || !o.Broadcast && a == to {
			v.world.sendMessage(v, a, kind, about, func(peer *host) { peer.receiveMessage(m) })
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

// deliverCertificates orders certificates and queues what was committed, with the shares that the headers carried.
func (v *host) deliverCertificates(certificates []*remora.Certificate) {
	committed, err := v.backlog.OrderCertificates(v.order, certificates)
	if err != nil {
		v.haltProcess(err)
		return
	}
	if len(committed) > 0 {
		v.tellWorker(worker.EpochOrdered{Epoch: v.backlog.Epoch()})
		v.retention.PassLeader(v.order.LeaderRound(), v.order.GCRound(), v.instant())
		v.tellWorker(worker.RoundsCollected{Round: v.order.GCRound()})
		v.stepMempool(mempool.Ordered{SubDAGs: committed})
		v.stepMempool(mempool.EpochOrdered{Epoch: v.backlog.Epoch()})
	}
	v.startNextWork()
}

func (v *host) observeEvents(events []mempool.Event) {
	for _, e := range events {
		switch e := e.(type) {
		case mempool.Behind:
			v.catching = true
			v.backlog.Add(validator.Work{CatchUp: true})
			v.startNextWork()
			return
		case mempool.Equivocation:
			v.world.check.checkEvidence(v, e)
		case mempool.Rejoined:
			v.world.check.Rejoined++
		}
	}
}
