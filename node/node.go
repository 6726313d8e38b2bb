// Package node builds and runs a node: a validator, or a follower that executes what the validators certified, with the
// services of a cache or a gateway beside it.
//
// New opens the store, resumes the state and builds the parts in the order of the data path; it starts nothing. Run starts
// every goroutine and returns when its context ends or with the first failure that must stop the node. Close releases what
// New opened.
//
// What a node does follows from its roles. A role is a value that brings loops, requests that it answers, and reasons why
// clients should stay away: node/validator, the follower of this package, node/services. The parts that every node has are
// here: store, state, network host, API, metrics.
package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/door"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/metrics"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/rpc"
	"github.com/remora-network/remora/node/services"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/node/validator"
	"github.com/remora-network/remora/node/web"
	"github.com/remora-network/remora/state"
)

// ErrClockOffset says that a node of a chain that is no dev chain was to run with a wrong clock.
var ErrClockOffset = errors.New("only chains whose id starts with dev take a clock offset: leave it out")

// contentRequests is the number of requests that a cache or gateway serves one peer at a time: a gateway asks for
// many clients.
const contentRequests = 64

// guests is the number of connections of nodes that are not registered: caches and gateways before their registration, and
// auditors.
const guests = 64

// Config holds the parts and settings of a node. The zero value of an optional field means its default.
type Config struct {
	Genesis *remora.Genesis
	Keys    *home.Signers
	Name    string       // of a follower; a validator has the one of the committee
	Roles   remora.Roles // RoleValidator, or what a follower offers; default RoleValidator
	DataDir string       // exists; owned by this process
	Listen  []string     // multiaddrs of the validators' network
	RPC     string       // host:port
	Bounds  web.Bounds   // of what clients may have of the API and of a gateway; zero: the default
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

	Tuning validator.Tuning // optional

	DiskFull    func()        // optional: called when a write finds the disk full; does not return
	ClockOffset time.Duration // of this node's wall clock, to test what a wrong one does; on dev chains only
}

// role is the part of a node that differs between validators and followers.
type role interface {
	Loops() []func(context.Context) error
	Handlers() map[string]p2p.Handler // the requests of peers that it answers
	Unready() []string                // why clients should not use the node
}

// chainRole is the role that owns the executor.
type chainRole interface {
	role
	// Submit returns when the batches that took the transactions are durable, with an answer for each. An error says that
	// none was taken.
	Submit(ctx context.Context, txs [][]byte) ([]door.Answer, error)
}

// Node is a validator, or a follower that executes what the validators certified. New builds it, Run runs it once.
type Node struct {
	config    Config
	committee *trust.Committee
	machine   *state.Machine
	store     *store.Store
	head      *head.Head
	host      *p2p.Host
	chain     chainRole
	door      *door.Door   // through which transactions come in
	roles     []role       // chain first
	directory directory    // which nodes are registered, for host
	hits      *limits.Hits // of every limit of the node
	counts    metrics.Counts
	drift     drift
	figures   []metrics.Figure
	servers   []func(context.Context) error // of clients
	closers   []func() error                // in the order of opening
}

// New builds a node. It starts nothing but the listening sockets.
func New(c Config) (*Node, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Bounds = cmp.Or(c.Bounds, web.DefaultBounds)
	if c.Roles == 0 {
		c.Roles = remora.RoleValidator
	}
	if c.ClockOffset != 0 && !remora.IsDev(c.Genesis.ChainID) {
		return nil, fmt.Errorf("%w: chain %s, offset %s", ErrClockOffset, c.Genesis.ChainID, c.ClockOffset)
	}
	n := &Node{config: c, hits: limits.NewHits(time.Now, c.Logger)}
	if err := n.buildParts(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) buildParts() error {
	if err := n.openStore(); err != nil {
		return err
	}
	members, err := n.config.Genesis.Committee()
	if err != nil {
		return err
	}
	if n.committee, err = trust.New(members); err != nil {
		return err
	}
	validates, self, err := n.findRole()
	if err != nil {
		return err
	}
	executor, err := exec.Open(n.config.Genesis, n.store)
	if errors.Is(err, exec.ErrDiverged) {
		return blocksync.AnnounceStop(n.config.Logger, err)
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
	if err := n.openHost(validates); err != nil {
		return err
	}
	n.openDoor(executor, validates, self)
	if !validates {
		n.chain = n.newFollower(executor)
	} else if n.chain, err = n.newValidator(executor, self); err != nil {
		return err
	}
	if err := n.addRole(n.chain); err != nil {
		return err
	}
	n.figures = append(n.counts.Figures(), n.partFigures()...)
	if n.config.Roles&(remora.RoleCache|remora.RoleGateway) == 0 {
		_, err := n.openServers(nil, nil)
		return err
	}
	return n.openServices()
}

func (n *Node) openStore() (err error) {
	options := store.Options{Logger: store.Logger{Log: n.config.Logger}}
	if n.config.DiskFull != nil {
		options.FS = store.WatchedDisk(n.config.DiskFull)
	}
	if n.store, err = store.Open(n.config.DataDir, options); err != nil {
		return err
	}
	n.closers = append(n.closers, n.store.Close)
	for _, d := range n.store.Damage() {
		n.config.Logger.Warn("a stored batch is damaged; it is fetched again when needed", slog.String("damage", d.String()))
	}
	return nil
}

// findRole reports whether this node is a validator that does its part, and which member of the committee it is. The keys
// of an observer are a validator's, too.
func (n *Node) findRole() (validates bool, self remora.Authority, err error) {
	if n.config.Roles&remora.RoleValidator == 0 {
		return false, 0, nil
	}
	if self, err = validator.FindSelf(n.committee, n.config.Keys); err != nil {
		return false, 0, err
	}
	n.config.Name = n.committee.Members[self].Name
	return n.config.Observer == "", self, nil
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
	n.closers = append(n.closers, n.head.Close)
	return nil
}

func (n *Node) openHost(validates bool) (err error) {
	server := peers.Server{Domain: n.committee.Domain, Store: n.store, Head: n.head}
	c := p2p.Config{
		Key: n.config.Keys.Network, Listen: n.config.Listen, Namespace: n.committee.Domain.String()[:16],
		Guests: guests, MaxRequest: peers.MaxSubmitBytes, Logger: n.config.Logger, Serve: server.Handlers(), Hits: n.hits,
	}
	for _, m := range n.committee.Members {
		c.Peers = append(c.Peers, p2p.Peer{ID: m.PeerID, Addrs: m.Addrs})
	}
	if validates {
		c.Channels = peers.Channels()
	}
	if n.config.Roles&(remora.RoleCache|remora.RoleGateway) != 0 {
		c.PeerRequests, c.TotalRequests = contentRequests, 2*contentRequests
	}
	if n.host, err = p2p.New(c); err != nil {
		return err
	}
	n.closers = append(n.closers, n.host.Close)
	n.directory = directory{head: n.head, register: n.host.Register, unregister: n.host.Unregister, log: n.config.Logger}
	return n.directory.update()
}

func (n *Node) newValidator(executor *exec.Executor, self remora.Authority) (*validator.Validator, error) {
	submit := peers.SubmitServer{Door: n.door}
	if err := n.host.Handle(submit.Handlers()); err != nil {
		return nil, err
	}
	return validator.New(validator.Config{
		Genesis: n.config.Genesis, Committee: n.committee, Self: self, Keys: n.config.Keys, Executor: executor,
		Store: n.store, Head: n.head, Host: n.host, Door: n.door, Counts: &n.counts, Hits: n.hits, Logger: n.config.Logger,
		Signing: n.config.Signing, Tuning: n.config.Tuning, ClockOffset: n.config.ClockOffset,
	})
}

func (n *Node) addRole(r role) error {
	n.roles = append(n.roles, r)
	return n.host.Handle(r.Handlers())
}

// openServices adds what a cache or a gateway runs, and the servers through which clients reach it.
func (n *Node) openServices() error {
	s, err := services.New(services.Config{
		Genesis: n.config.Genesis, Key: n.config.Keys.Account, Roles: n.config.Roles, Record: n.config.Record,
		Dir: n.config.ContentDir, Quota: n.config.Quota, Store: n.store, Head: n.head, Host: n.host, Submit: n.submitOwn,
		Bounds: n.config.Bounds, Hits: n.hits, Logger: n.config.Logger,
	})
	if err != nil {
		return err
	}
	n.closers = append(n.closers, s.Close)
	n.figures = append(n.figures, s.Figures()...)
	if err := n.addRole(s); err != nil {
		return err
	}
	api, err := n.openServers(s.Uploads(), s.Sales())
	if err != nil || n.config.Roles&remora.RoleGateway == 0 {
		return err
	}
	return s.OpenGateway(n.config.Gateway, api.Handler())
}

// openServers opens the API, and the metrics unless they are off.
func (n *Node) openServers(uploads, sales http.Handler) (*rpc.Server, error) {
	api, err := rpc.New(rpc.Config{
		Listen: n.config.RPC, Genesis: n.config.Genesis, Store: n.store, Head: n.head,
		Door: n.door, Status: n.status, Ready: n.ready, Logger: n.config.Logger, Bounds: n.config.Bounds, Hits: n.hits, Content: uploads, Sales: sales,
	})
	if err != nil {
		return nil, err
	}
	n.servers = append(n.servers, api.Run)
	if n.config.Metrics == "" {
		return api, nil
	}
	figures, err := metrics.New(n.config.Metrics, n.figures, api.Health(), hitSeries(n.hits))
	if err != nil {
		return nil, err
	}
	n.servers = append(n.servers, figures.Run)
	return api, nil
}

// passedBlocks is the number of blocks for which a follower's door remembers what validators took: if that long no block has
// executed it, the validator may have lost it, and the same bytes may be passed on again.
const passedBlocks = 128

// openDoor builds the door through which transactions come in, at a validator into its own batches.
func (n *Node) openDoor(executor *exec.Executor, validates bool, self remora.Authority) {
	c := door.Config{
		Machine: n.machine, Genesis: n.config.Genesis, Head: n.head, Verifier: exec.NewVerifier(), Pass: n.passTxs,
		Patience: passedBlocks, Hits: n.hits,
	}
	if validates {
		c.Owns, c.Patience = func(b *remora.Batch) bool { return b.Author == self }, 0
	}
	n.door = door.New(c)
	executor.Observe = n.door.NoteBlock
}

// passTxs hands admitted transactions to the role that has the chain. A node that has no validator to pass them on to, or
// busy ones only, is busy: clients come back.
func (n *Node) passTxs(ctx context.Context, txs [][]byte) ([]door.Answer, error) {
	answers, err := n.chain.Submit(ctx, txs)
	if (errors.Is(err, p2p.ErrNotConnected) || errors.Is(err, p2p.ErrBusy)) && ctx.Err() == nil {
		err = errors.Join(door.ErrBusy, err)
	}
	return answers, err
}

// submitOwn submits transactions of the node's own account.
func (n *Node) submitOwn(ctx context.Context, txs [][]byte) error {
	answers, err := n.door.Submit(ctx, n.config.Name, txs)
	for i := range answers {
		err = errors.Join(err, answers[i].Err())
	}
	return err
}

// Close releases addresses and files. Run closes everything else that it started.
func (n *Node) Close() error {
	var err error
	for _, closeNext := range slices.Backward(n.closers) {
		err = errors.Join(err, closeNext())
	}
	return err
}
