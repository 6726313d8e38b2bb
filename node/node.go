// Package node is the shell of a validator: every goroutine, clock, disk and socket of the running system. New builds
// everything, Run starts everything; the cores decide, the shell carries out.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/worker"
	"github.com/remora-network/remora/node/exec"
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

// Config is what a node needs to run. The zero value of an optional field is its default.
type Config struct {
	Genesis *remora.Genesis
	Keys    *Keys
	DataDir string   // exists; owned by this process
	Listen  []string // multiaddrs of the validators' network
	RPC     string   // host:port
	Metrics string   // host:port; empty: none
	Version string   // of the program
	Logger  *slog.Logger

	Pace      mempool.Pace // optional
	SealTicks int          // optional: age at which a batch is sealed, in ticks of 5 ms
}

// Node is a validator. New builds it, Run runs it once.
type Node struct {
	config  Config
	store   *store.Store
	host    *p2p.Host
	head    *head.Head
	rpc     *rpc.Server
	metrics *metrics.Server // nil when off

	primary  *primary
	batcher  *batcher
	engine   *engine
	verifier *verifier
	fetcher  *fetcher

	committee   *trust.Committee
	submissions chan submission
	counts      counts
}

// New opens the store, resumes the state and wires everything in the order of the data path. It starts nothing but the
// listening socket of the network library.
func New(c Config) (*Node, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	st, err := store.Open(c.DataDir, store.Options{Logger: store.Logger{Log: c.Logger}})
	if err != nil {
		return nil, err
	}
	for _, d := range st.Damage() {
		c.Logger.Warn("a stored batch is damaged; it is fetched again when needed", "damage", d.String())
	}
	n := &Node{config: c, store: st, submissions: make(chan submission, 1024)}
	if err := n.wire(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) wire() error {
	auth, err := n.identify()
	if err != nil {
		return err
	}
	executor, err := exec.Open(n.config.Genesis, n.store)
	if err != nil {
		return err
	}
	if err := n.openHead(executor); err != nil {
		return err
	}
	if n.host, err = n.newHost(); err != nil {
		return err
	}
	if err := n.wireLoops(auth, executor); err != nil {
		return err
	}
	return n.wireServers()
}

// identify finds the keys' place in the committee.
func (n *Node) identify() (*authority, error) {
	members, err := n.config.Genesis.Committee()
	if err != nil {
		return nil, err
	}
	if n.committee, err = trust.New(members); err != nil {
		return nil, err
	}
	self, found := members.ByConsensusKey(n.config.Keys.Consensus.Public())
	if !found {
		return nil, fmt.Errorf("%w: chain %s; check --home and genesis.json", ErrNotValidator, members.ChainID)
	}
	m := members.Members[self]
	id, err := p2p.SeedPeerID(n.config.Keys.Network)
	if err != nil {
		return nil, err
	}
	if m.Header != n.config.Keys.Header.Public() || m.Beacon != n.config.Keys.Beacon.Public() || m.PeerID != id {
		return nil, fmt.Errorf("%w: the consensus key is %q's, another key is not; restore its key file", ErrNotValidator, m.Name)
	}
	return &authority{committee: n.committee, self: self, keys: n.config.Keys}, nil
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
	origin := n.config.Genesis.Hash()
	served := &server{chainID: n.committee.ChainID, store: n.store}
	var peers []p2p.Peer
	for _, m := range n.committee.Members {
		peers = append(peers, p2p.Peer{ID: m.PeerID, Addrs: m.Addrs})
	}
	return p2p.New(p2p.Config{
		Key: n.config.Keys.Network, Listen: n.config.Listen, Namespace: origin.String()[:16], Peers: peers,
		Channels: channels(), Serve: served.handlers(), MaxRequest: maxRequestBytes, Logger: n.config.Logger,
	})
}

// localQueue holds messages between loops. It is room, not a bound on correctness: senders wait, none is dropped.
const localQueue = 1024

func (n *Node) wireLoops(auth *authority, executor *exec.Executor) error {
	log := n.config.Logger
	network, toPrimary := make(chan mempool.Message, localQueue), make(chan mempool.Message, localQueue)
	acks, toBatcher := make(chan worker.Message, localQueue), make(chan worker.Message, localQueue)
	wants, toEngine := make(chan mempool.Want, localQueue), make(chan work)
	rebuilt, reannounce := make(chan struct{}), make(chan struct{})

	batches, err := n.newWorker(auth, executor)
	if err != nil {
		return err
	}
	n.verifier = &verifier{
		committee: n.committee, network: n.host.Receive(channelDAG), messages: network, acks: acks, log: log,
	}
	n.fetcher = &fetcher{
		self: auth.self, committee: n.committee, store: n.store, host: n.host, log: log,
		held: n.held, wants: wants, network: network, primary: toPrimary,
	}
	cores := restore.Config{
		Genesis: n.config.Genesis, Committee: n.committee.Committee, Self: auth.self, Signer: auth, Pace: n.config.Pace,
	}
	n.primary = &primary{
		self: auth.self, committee: n.committee.Committee, store: n.store, host: n.host, log: log,
		build:   func() (*restore.Cores, error) { return restore.Build(n.store, cores) },
		network: network, local: toPrimary, rebuilt: rebuilt, engine: toEngine, wants: wants,
		counts: &n.counts, recent: newRecentBatches(),
	}
	n.batcher = &batcher{
		self: auth.self, committee: n.committee.Committee, core: batches, store: n.store, host: n.host, log: log,
		submissions: n.submissions, network: n.host.Receive(channelBatch), acks: acks, local: toBatcher,
		reannounce: reannounce, primary: toPrimary, counts: &n.counts,
		waiters: map[uint64][]*waiter{}, waiting: map[remora.Hash]remora.BatchRef{},
	}
	n.engine = &engine{
		authority: auth, exec: executor, store: n.store, head: n.head, fetcher: n.fetcher,
		certifier: newCertifier(n.committee), log: log, work: toEngine, primary: toPrimary, batcher: toBatcher,
		rebuilt: rebuilt, reannounce: reannounce, counts: &n.counts,
	}
	return nil
}

// newWorker builds the worker core with the own batches that were acknowledged to clients and not executed yet.
func (n *Node) newWorker(auth *authority, executor *exec.Executor) (*worker.Core, error) {
	view := executor.View()
	epoch, err := registry.GetEpoch(view.Tables)
	if err != nil {
		return nil, err
	}
	core, owed, err := restore.Worker(n.store, worker.Config{
		Committee: n.committee.Committee, Self: auth.self, SealTicks: n.config.SealTicks,
		FirstSeq: uint64(time.Now().UnixNano()), Epoch: epoch.Number,
	})
	if owed > 0 {
		n.config.Logger.Info("acknowledged batches wait to be ordered", "batches", owed)
	}
	return core, err
}

func (n *Node) wireServers() error {
	machine, err := state.NewMachine(n.config.Genesis)
	if err != nil {
		return err
	}
	verifier := exec.NewVerifier()
	n.rpc, err = rpc.New(rpc.Config{
		Listen: n.config.RPC, Genesis: n.config.Genesis, Store: n.store, Head: n.head,
		Admit:     func(v state.View, raw []byte) error { return machine.Admit(v, raw, verifier) },
		Submitter: n, Status: n.status, Ready: n.ready, Logger: n.config.Logger,
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
	if n.head != nil {
		err = errors.Join(err, n.head.Close())
	}
	return errors.Join(err, n.store.Close())
}
