package validator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/flight"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/state/registry"
)

// Config holds the parts and settings of a validator. Its host must have the channels of peers.Channels.
type Config struct {
	Genesis   *remora.Genesis
	Committee *trust.Committee
	Self      remora.Authority
	Keys      *home.Signers
	Executor  *exec.Executor
	Store     *store.Store
	Head      *head.Head
	Host      *p2p.Host
	Door      *door.Door // through which transactions come in
	Counts    *metrics.Counts
	Hits      *limits.Hits // optional
	Logger    *slog.Logger

	// Signing is the path of the record beside the consensus key. Without one an empty store is taken for a new authority's.
	Signing     string
	Tuning      Tuning        // optional
	ClockOffset time.Duration // added to the wall clock
}

// Tuning holds settings on which validators need not agree. The zero value means the defaults.
type Tuning struct {
	Pace      mempool.Pace
	SealTicks int              // age at which a batch is sealed, in ticks of 5 ms
	Flight    *flight.Recorder // of what the cores are told; the validator closes it
}

// Validator is a member of the committee.
type Validator struct {
	c           Config
	submissions chan submission
	stopped     chan struct{} // closed when the batcher answers no more
	heard       *peers.Heard
	progress    Progress
	loops       []func(context.Context) error
}

// localQueue is the capacity of channels between loops. Senders wait while one is full: no message is dropped.
const localQueue = 1024

// New builds the loops. It compares the signing record with the store and saves the outcome.
func New(c Config) (*Validator, error) {
	v := &Validator{c: c, submissions: make(chan submission, 1024), stopped: make(chan struct{}), heard: peers.NewHeard(c.Committee.Size())}
	batches, err := newWorker(&c)
	if err != nil {
		return nil, err
	}
	signed, doubt, err := openRecord(&c)
	if err != nil {
		return nil, err
	}
	v.connectLoops(batches, signed, doubt)
	return v, nil
}

// connectLoops connects the loops with channels.
func (v *Validator) connectLoops(batches *worker.Core, signed *Signing, doubt mempool.Doubt) {
	c := &v.c
	auth, members, log := &authority{committee: c.Committee, self: c.Self, keys: c.Keys}, c.Committee.Committee, c.Logger
	network, toPrimary := make(chan mempool.Message, localQueue), make(chan mempool.Message, localQueue)
	toBatcher := make(chan worker.Message, localQueue)
	wants, toEngine := make([]chan mempool.Want, members.Size()), make(chan Work)
	for a := range wants {
		wants[a] = make(chan mempool.Want, wantQueue)
	}
	downloads := make(chan fetched)
	rebuilt, reannounce, ordered, collected := make(chan struct{}), make(chan struct{}), new(atomic.Uint64), new(atomic.Uint64)
	progress, client := &v.progress, peers.NewClient(c.Committee, c.Host.Request)

	judge := newJudge(c.Committee, progress, c.Hits, log)
	check := &verifier{
		committee: c.Committee, network: c.Host.Receive(peers.ChannelDAG), messages: network, judge: judge, log: log,
	}
	fetch := &fetcher{
		self: c.Self, client: client, store: c.Store, progress: progress, log: log, wants: wants, network: network, batcher: downloads,
		judge: judge,
	}
	dag := &primary{
		committee: members, store: c.Store, host: c.Host, log: log, signing: signed, heard: v.heard, progress: progress,
		rebuild: Rebuild{Cores: restore.Config{
			Genesis: c.Genesis, Committee: members, Self: c.Self, Signer: auth.dagSigner(), Pace: c.Tuning.Pace, Doubt: doubt,
		}},
		ports: ports{network: network, local: toPrimary, rebuilt: rebuilt, engine: toEngine, epoch: ordered, gc: collected, wants: wants, judge: judge},
		head:  c.Head, retention: Retention{Served: servedFor}, flight: c.Tuning.Flight, counts: c.Counts,
		recent: remora.NewRecent[remora.Hash, mempool.BatchStored](recentBatches), offset: c.ClockOffset,
	}
	bundle := &batcher{
		self: c.Self, committee: c.Committee, signer: auth.dagSigner(), core: batches, store: c.Store, host: c.Host, log: log,
		submissions: v.submissions, network: c.Host.Receive(peers.ChannelBatch), acks: c.Host.Receive(peers.ChannelAck), local: toBatcher, fetched: downloads,
		reannounce: reannounce, primary: toPrimary, ordered: orderedMarks{epoch: ordered, collected: collected}, counts: c.Counts,
		waitlist: waitlist{}, judge: judge, door: c.Door,
	}
	gatherer := peers.NewGatherer(client, c.Store, peers.NewSources(c.Self, members.Size()))
	execute := &engine{
		exec: c.Executor, store: c.Store, head: c.Head, client: client, gatherer: gatherer, judge: judge, log: log,
		announcer: NewAnnouncer(AnnouncerConfig{
			Self: c.Self, Committee: c.Committee, Signer: auth, Store: c.Store, Exec: c.Executor, Progress: progress,
		}),
		work: toEngine, primary: toPrimary, batcher: toBatcher, rebuilt: rebuilt, reannounce: reannounce, counts: c.Counts,
	}
	execute.sync = blocksync.New(blocksync.Config{
		Self: c.Self, Committee: c.Committee, Executor: c.Executor, Store: c.Store, Log: log,
		Ask: client.AskBlocks, Gather: gatherer.Gather, Done: execute.publishSynced,
	})
	examiner := &blocksync.Examiner{
		Self: c.Self, Committee: c.Committee, Store: c.Store, Head: c.Head, Client: client, Counts: c.Counts, Log: log,
	}
	prune := &Pruner{Self: c.Self, Store: c.Store}
	v.loops = append(v.loops, func(ctx context.Context) error { return pruneBatches(ctx, prune, c.Head, log) })
	answer := func(ctx context.Context) error {
		defer close(v.stopped)
		return bundle.bundleTxs(ctx)
	}
	v.loops = append(v.loops, answer, dag.driveCores, examiner.Watch(execute.executeBlocks))
	v.loops = append(v.loops, slices.Repeat([]func(context.Context) error{check.verifyFrames}, runtime.GOMAXPROCS(0))...)
	for a := range remora.Authority(members.Size()) {
		if a != c.Self {
			v.loops = append(v.loops, func(ctx context.Context) error { return fetch.serveWants(ctx, a) })
		}
	}
}

// newWorker builds the worker core with the batches that were acknowledged to clients and not executed yet.
func newWorker(c *Config) (*worker.Core, error) {
	epoch, err := registry.GetEpoch(c.Executor.View().Tables)
	if err != nil {
		return nil, err
	}
	core, owed, err := restore.Worker(c.Store, worker.Config{
		Committee: c.Committee.Committee, Self: c.Self, SealTicks: c.Tuning.SealTicks,
		FirstSeq: uint64(time.Now().Add(c.ClockOffset).UnixNano()), Epoch: epoch.Number, Keep: c.Door.Machine.MayExecute,
	})
	for _, b := range owed {
		c.Door.Restore(b)
	}
	if len(owed) > 0 {
		c.Logger.Info("acknowledged batches wait to be ordered", slog.Any("batches", len(owed)))
	}
	return core, err
}

// Loops returns the goroutines of a validator: 1 batcher (worker core), 1 primary (mempool core and commit rule), 1 engine
// (executor and block certificates), GOMAXPROCS verifiers, a fetcher per peer, 1 pruner of the store. While certified blocks are synced the engine
// has 1 puller and its questions beside it.
func (v *Validator) Loops() []func(context.Context) error { return v.loops }

// Handlers returns the requests that only validators answer.
func (v *Validator) Handlers() map[string]p2p.Handler {
	tips := peers.TipServer{Committee: v.c.Committee, Store: v.c.Store, Depth: v.c.Genesis.Params.GCDepth, Heard: v.heard}
	return tips.Handlers()
}

// errStopping says that the node stops: whether batches took the transactions is not known.
var errStopping = errors.New("the node is stopping")

// Submit puts transactions into batches and returns when these are durable here. door.ErrBusy says that none found room.
// Once the transactions are handed over the end of ctx changes nothing. The validator keeps the slices.
func (v *Validator) Submit(ctx context.Context, txs [][]byte) ([]door.Answer, error) {
	reply := make(chan submitted, 1)
	if err := sendTo(ctx, v.submissions, submission{txs: txs, reply: reply}); err != nil {
		return nil, err
	}
	select {
	case s := <-reply:
		return s.answerAll(len(txs))
	case <-v.stopped:
		return nil, errStopping
	}
}

// Unready says why clients should not use this validator.
func (v *Validator) Unready() []string {
	var reasons []string
	if v.c.Counts.Catching.Load() {
		reasons = append(reasons, fmt.Sprintf("syncing certified blocks, at height %d", v.c.Store.Height()))
	}
	switch mempool.Doubt(v.c.Counts.Doubt.Load()) {
	case mempool.Trusted:
	case mempool.Listening:
		reasons = append(reasons, "listening for headers of its own that it does not know, before it signs")
	case mempool.Lost:
		reasons = append(reasons, "does not know what it signed before: signs nothing until enough other validators have answered")
	}
	if wait := v.progress.Starving(); wait > 0 {
		reasons = append(reasons, fmt.Sprintf("its transactions have waited %s for a quorum of validators to store them", wait.Round(time.Second)))
	}
	stake := v.c.Committee.Stake(v.c.Self)
	for _, id := range v.c.Host.Connected() {
		if a, member := v.c.Committee.ByPeer(id); member {
			stake += v.c.Committee.Stake(a)
		}
	}
	if quorum := v.c.Committee.Quorum(); stake < quorum {
		reasons = append(reasons, fmt.Sprintf("connected to stake %s, a quorum is %s", stake, quorum))
	}
	return reasons
}
