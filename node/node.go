// Package node is the shell of a validator: every goroutine, clock, disk and socket of the running system. New builds
// everything, Run starts everything; the cores decide, the shell carries out.
package node

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
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/flight"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/restore"
	"github.com/remora-network/remora/node/rpc"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/state"
	"github.com/remora-network/remora/state/registry"
)

// ErrNotValidator says that the keys are of no member of the committee.
var ErrNotValidator = errors.New("these keys belong to no validator of this chain")

// ErrClockOffset says that a node of a chain that is no dev chain was to run with a wrong clock.
var ErrClockOffset = errors.New("only chains whose id starts with dev take a clock offset: leave it out")

// contentRequests is how many requests a cache or gateway serves one peer at a time: a gateway asks for many clients.
const contentRequests = 64

// guests is how many nodes outside the committee may ask a validator at a time.
const guests = 64

// Config is what a node needs to run. The zero value of an optional field is its default.
type Config struct {
	Genesis *remora.Genesis
	Keys    *Keys
	Name    string       // of a follower; a validator has the one of the committee
	Roles   remora.Roles // RoleValidator, or what a follower offers; default RoleValidator
	DataDir string       // exists; owned by this process
	Listen  []string     // multiaddrs of the validators' network
	RPC     string       // host:port
	Metrics string       // host:port; empty: none
	Version string       // of the program
	Logger  *slog.Logger

	Record     remora.Node // what a cache or gateway registers
	Gateway    string      // host:port of a gateway for web clients
	ContentDir string      // exists, at caches and gateways
	Quota      uint64      // bytes of content

	// Observer says why a validator only follows the others and signs nothing; empty: it does its part.
	Observer string
	// Signing is the path of the record beside the consensus key. Without one an empty store is taken for a new authority's.
	Signing string

	Tuning Tuning // optional

	DiskFull    func()        // optional: called when a write finds the disk full; does not return
	ClockOffset time.Duration // of this node's wall clock, to test what a wrong one does; on dev chains only
}

// Tuning is what validators need not agree on. The zero value has the defaults.
type Tuning struct {
	Pace      mempool.Pace
	SealTicks int              // age at which a batch is sealed, in ticks of 5 ms
	Flight    *flight.Recorder // of what the cores are told; the node closes it
}

// Node is a validator, or a follower that executes what the validators certified. New builds it, Run runs it once.
type Node struct {
	config    Config
	committee *trust.Committee
	authority *authority // nil for a follower
	machine   *state.Machine
	store     *store.Store
	head      *head.Head
	host      *p2p.Host
	rpc       *rpc.Server
	metrics   *metrics.Server // nil when off

	loops       []func(context.Context) error // what Run starts, beside the servers
	submissions chan submission               // a validator's
	forwarder   *forwarder                    // a follower's
	outbox      outbox                        // the node's own transactions
	counts      counts
	heard       *heard          // a validator's
	content     *contentService // a cache's or gateway's
}

// New opens the store, resumes the state and wires everything in the order of the data path. It starts nothing but the
// listening socket of the network library.
func New(c Config) (*Node, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.ClockOffset != 0 && !remora.IsDev(c.Genesis.ChainID) {
		return nil, fmt.Errorf("%w: chain %s, offset %s", ErrClockOffset, c.Genesis.ChainID, c.ClockOffset)
	}
	options := store.Options{Logger: store.Logger{Log: c.Logger}}
	if c.DiskFull != nil {
		options.FS = store.WatchedDisk(c.DiskFull)
	}
	st, err := store.Open(c.DataDir, options)
	if err != nil {
		return nil, err
	}
	for _, d := range st.Damage() {
		c.Logger.Warn("a stored batch is damaged; it is fetched again when needed", slog.String("damage", d.String()))
	}
	n := &Node{config: c, store: st, submissions: make(chan submission, 1024)}
	n.outbox.node = n
	if err := n.wire(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) wire() error {
	if err := n.identify(); err != nil {
		return err
	}
	executor, err := exec.Open(n.config.Genesis, n.store)
	if errors.Is(err, exec.ErrDiverged) {
		return stopping(n.config.Logger, err)
	}
	if err != nil {
		return err
	}
	if n.machine, err = state.NewMachine(n.config.Genesis); err != nil {
		return err
	}
	if err := n.openHead(executor); err != nil {
		return err
	}
	if n.config.Roles&(remora.RoleCache|remora.RoleGateway) != 0 {
		if n.content, err = n.openContent(); err != nil {
			return err
		}
	}
	if n.host, err = n.newHost(); err != nil {
		return err
	}
	if n.authority == nil {
		n.wireFollower(executor)
	} else if err := n.wireValidator(executor); err != nil {
		return err
	}
	if err := n.wireServers(); err != nil || n.content == nil {
		return err
	}
	return n.wireContent()
}

// identify finds the place of a validator's keys in the committee.
func (n *Node) identify() error {
	members, err := n.config.Genesis.Committee()
	if err != nil {
		return err
	}
	if n.committee, err = trust.New(members); err != nil {
		return err
	}
	if n.config.Roles == 0 {
		n.config.Roles = remora.RoleValidator
	}
	if n.config.Roles&remora.RoleValidator == 0 {
		return nil
	}
	self, found := members.ByConsensusKey(n.config.Keys.Consensus.Public())
	if !found {
		return fmt.Errorf("%w: chain %s; check --home and genesis.json", ErrNotValidator, members.ChainID)
	}
	m := members.Members[self]
	id, err := p2p.SeedPeerID(n.config.Keys.Network)
	if err != nil {
		return err
	}
	if m.Header != n.config.Keys.Header.Public() || m.Beacon != n.config.Keys.Beacon.Public() || m.PeerID != id {
		return fmt.Errorf("%w: the consensus key is %q's, another key is not; restore its key file", ErrNotValidator, m.Name)
	}
	n.config.Name = m.Name
	if n.config.Observer != "" {
		return nil
	}
	n.authority = &authority{committee: n.committee, self: self, keys: n.config.Keys}
	n.heard = newHeard(members.Size())
	return nil
}

func (n *Node) openHead(executor *exec.Executor) error {
	var newest *remora.Block
	if h := n.store.Height(); h > 0 {
		var err error
		if newest, err = n.store.Block(h); err != nil {
			return err
		}
	}
	n.head = head.New(head.NewView(n.store, executor.View(), newest))
	return nil
}

func (n *Node) newHost() (*p2p.Host, error) {
	served := &server{
		chainID: n.committee.ChainID, store: n.store, head: n.head, machine: n.machine,
		committee: n.committee, depth: n.config.Genesis.Params.GCDepth, heard: n.heard,
	}
	c := p2p.Config{
		Key: n.config.Keys.Network, Listen: n.config.Listen, Namespace: n.config.Genesis.Hash().String()[:16],
		Guests: guests, MaxRequest: maxSubmitBytes, Logger: n.config.Logger,
	}
	for _, m := range n.committee.Members {
		c.Peers = append(c.Peers, p2p.Peer{ID: m.PeerID, Addrs: m.Addrs})
	}
	if n.authority != nil {
		c.Channels, served.submit = channels(), n.Submit
	}
	c.Serve = served.handlers()
	if n.content != nil {
		n.content.serve(c.Serve)
		c.PeerRequests, c.TotalRequests = contentRequests, 2*contentRequests
	}
	return p2p.New(c)
}

// localQueue holds messages between loops. It is room, not a bound on correctness: senders wait, none is dropped.
const localQueue = 1024

func (n *Node) wireValidator(executor *exec.Executor) error {
	auth, log := n.authority, n.config.Logger
	network, toPrimary := make(chan mempool.Message, localQueue), make(chan mempool.Message, localQueue)
	acks, toBatcher := make(chan worker.Message, localQueue), make(chan worker.Message, localQueue)
	wants, toEngine := make([]chan mempool.Want, n.committee.Size()), make(chan work)
	for a := range wants {
		wants[a] = make(chan mempool.Want, wantQueue)
	}
	downloads := make(chan fetched)
	rebuilt, reannounce, ordered := make(chan struct{}), make(chan struct{}), new(atomic.Uint64)

	batches, err := n.newWorker(auth, executor)
	if err != nil {
		return err
	}
	check := &verifier{
		committee: n.committee, network: n.host.Receive(channelDAG), messages: network, acks: acks, log: log,
	}
	fetch := &fetcher{
		self: auth.self, committee: n.committee, store: n.store, call: n.host.Request, log: log,
		held: n.held, wants: wants, network: network, batcher: downloads,
		sources: exec.NewSources(auth.self, n.committee.Size()),
	}
	signed, doubt, err := n.openSigning()
	if err != nil {
		return err
	}
	dag := &primary{
		self: auth.self, committee: n.committee.Committee, store: n.store, host: n.host, log: log,
		signing: signed, heard: n.heard,
		cores: restore.Config{
			Genesis: n.config.Genesis, Committee: n.committee.Committee, Self: auth.self, Signer: auth.signer(), Pace: n.config.Tuning.Pace, Doubt: doubt,
		},
		ports:   ports{network: network, local: toPrimary, rebuilt: rebuilt, wants: wants},
		backlog: backlog{head: n.head, engine: toEngine, epoch: ordered},
		flight:  n.config.Tuning.Flight, counts: &n.counts, recent: remora.NewRecent[mempool.BatchStored](recentBatches), offset: n.config.ClockOffset,
	}
	bundle := &batcher{
		self: auth.self, committee: n.committee.Committee, core: batches, store: n.store, host: n.host, log: log,
		submissions: n.submissions, network: n.host.Receive(channelBatch), acks: acks, local: toBatcher, fetched: downloads,
		reannounce: reannounce, primary: toPrimary, ordered: ordered, counts: &n.counts,
		waiters: map[uint64][]*waiter{}, waiting: map[remora.Hash]remora.BatchRef{},
	}
	execute := &engine{
		authority: auth, exec: executor, store: n.store, head: n.head, fetcher: fetch,
		certifier: newCertifier(n.committee), log: log, work: toEngine, primary: toPrimary, batcher: toBatcher,
		rebuilt: rebuilt, reannounce: reannounce, counts: &n.counts,
	}
	execute.sync = n.newSyncer(executor, fetch, execute.synced)
	n.loops = append(n.loops, bundle.run, dag.run, n.examined(fetch, execute.run))
	n.loops = append(n.loops, slices.Repeat([]func(context.Context) error{check.run}, runtime.GOMAXPROCS(0))...)
	for a := range remora.Authority(n.committee.Size()) {
		if a != auth.self {
			n.loops = append(n.loops, func(ctx context.Context) error { return fetch.run(ctx, a) })
		}
	}
	return nil
}

func (n *Node) newSyncer(executor *exec.Executor, f *fetcher, done func(context.Context, []*remora.Block) error) *syncer {
	return &syncer{
		exec: executor, store: n.store, gather: f.gather, done: done, log: n.config.Logger,
		puller: newPuller(f.self, n.committee, f.blocks, n.config.Logger),
	}
}

// examined is a loop that executes blocks: when it ends because this node is in the minority, the reason is found out.
func (n *Node) examined(f *fetcher, loop func(context.Context) error) func(context.Context) error {
	x := &examiner{
		self: f.self, committee: n.committee, store: n.store, head: n.head, ask: f.ask, blocks: f.blocks, counts: &n.counts, log: n.config.Logger,
	}
	return func(ctx context.Context) error { return x.examine(ctx, loop(ctx)) }
}

// newWorker builds the worker core with the own batches that were acknowledged to clients and not executed yet.
func (n *Node) newWorker(auth *authority, executor *exec.Executor) (*worker.Core, error) {
	view := executor.View()
	epoch, err := registry.GetEpoch(view.Tables)
	if err != nil {
		return nil, err
	}
	core, owed, err := restore.Worker(n.store, worker.Config{
		Committee: n.committee.Committee, Self: auth.self, SealTicks: n.config.Tuning.SealTicks,
		FirstSeq: uint64(time.Now().Add(n.config.ClockOffset).UnixNano()), Epoch: epoch.Number,
	})
	if owed > 0 {
		n.config.Logger.Info("acknowledged batches wait to be ordered", slog.Any("batches", owed))
	}
	return core, err
}

// wireFollower builds the loop of a node that executes certified blocks of the validators.
func (n *Node) wireFollower(executor *exec.Executor) {
	nobody := remora.Authority(n.committee.Size()) // every authority is somebody else
	fetch := &fetcher{
		self: nobody, committee: n.committee, store: n.store, call: n.host.Request, log: n.config.Logger,
		sources: exec.NewSources(nobody, n.committee.Size()),
	}
	f := &follower{store: n.store, exec: executor, head: n.head, committee: n.committee, counts: &n.counts}
	f.sync = n.newSyncer(executor, fetch, f.publish)
	n.forwarder = &forwarder{committee: n.committee, host: n.host}
	n.loops = append(n.loops, n.examined(fetch, f.run))
}

func (n *Node) wireServers() error {
	verifier := exec.NewVerifier()
	var err error
	n.rpc, err = rpc.New(rpc.Config{
		Listen: n.config.RPC, Genesis: n.config.Genesis, Store: n.store, Head: n.head,
		Admit:     func(v state.View, raw []byte) error { return n.machine.Admit(v, raw, verifier) },
		Submitter: n, Status: n.status, Ready: n.ready, Logger: n.config.Logger, Content: n.uploads(), Sales: n.sales(),
	})
	if err != nil || n.config.Metrics == "" {
		return err
	}
	n.metrics, err = metrics.New(n.config.Metrics, n.figures())
	return err
}

// Submit implements rpc.Submitter: it returns when the batches that took the transactions are durable here. Those that
// found no room are left off the end, with rpc.ErrBusy.
func (n *Node) Submit(ctx context.Context, txs [][]byte) ([]remora.Hash, error) {
	if n.forwarder != nil {
		return n.forwarder.submit(ctx, txs)
	}
	reply := make(chan submitted, 1)
	if err := put(ctx, n.submissions, submission{txs: txs, reply: reply}); err != nil {
		return nil, err
	}
	select {
	case s := <-reply:
		if errors.Is(s.err, worker.ErrBusy) {
			return s.batches, rpc.ErrBusy
		}
		return s.batches, s.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close releases the files. Run closes everything else that it started.
func (n *Node) Close() error {
	var err error
	if n.host != nil {
		err = n.host.Close()
	}
	if n.content != nil {
		err = errors.Join(err, n.content.close())
	}
	if n.head != nil {
		err = errors.Join(err, n.head.Close())
	}
	return errors.Join(err, n.store.Close())
}
