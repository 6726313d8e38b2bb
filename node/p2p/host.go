package p2p

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
)

// Host is the local end of the network. Its methods may be called from any goroutine.
type Host struct {
	cfg      Config
	lib      host.Host
	net      *swarm.Swarm
	gate     *gater
	remotes  map[peer.ID]*remote // fixed after New
	names    map[string]*remote  // remotes by printed id
	channels map[string]int      // index by name
	inboxes  []*inbox            // by channel index
	requests *requestSlots
	log      *slog.Logger

	guestPace  *pace[peer.ID] // requests of guests
	sourcePace *pace[netip.Prefix]

	refused, served, failed atomic.Uint64

	mu       sync.Mutex
	state    int // fresh, running or closed
	handlers sync.WaitGroup
}

const (
	fresh = iota
	running
	closed
)

// New builds a host and binds its listen addresses, so that a port in use is reported here. No peer can connect before Run.
func New(cfg Config) (*Host, error) {
	cfg, err := cfg.fillDefaults()
	if err != nil {
		return nil, err
	}
	h := &Host{
		cfg: cfg, log: cfg.Logger,
		remotes: make(map[peer.ID]*remote), names: make(map[string]*remote), channels: make(map[string]int),
	}
	for i, ch := range cfg.Channels {
		h.channels[ch.Name] = i
		h.inboxes = append(h.inboxes, newInbox(ch))
	}
	var peers []peer.AddrInfo
	for _, p := range cfg.Peers {
		info, err := parsePeer(p)
		if err != nil {
			return nil, fmt.Errorf("p2p: %w", err)
		}
		if h.remotes[info.ID] != nil {
			return nil, fmt.Errorf("p2p: peer %s is configured twice", p.ID)
		}
		h.addRemote(info)
		peers = append(peers, info)
	}
	h.gate = newGater(h.remotes, cfg)
	h.requests = newRequestSlots(cfg)
	h.guestPace = newPace[peer.ID](guestRequestRate, 2*guestRequestRate)
	h.sourcePace = newPace[netip.Prefix](2*guestRequestRate, 4*guestRequestRate)
	if err := h.buildLibrary(peers); err != nil {
		return nil, err
	}
	if err := h.openListeners(); err != nil {
		return nil, errors.Join(err, h.lib.Close())
	}
	return h, nil
}

func (h *Host) addRemote(info peer.AddrInfo) {
	r := &remote{
		id: info.ID, name: info.ID.String(), addrs: info.Addrs,
		wake: make(chan struct{}, 1), up: h.cfg.Up, log: h.log,
	}
	for i, ch := range h.cfg.Channels {
		r.senders = append(r.senders, &sender{
			to: r, index: i, channel: ch, protocol: h.cfg.channelProtocol(ch.Name), log: h.log, timeout: h.cfg.WriteTimeout,
			queue: newFrameQueue(ch.QueueFrames, ch.QueueBytes), wake: make(chan struct{}, 1),
		})
		r.readers = append(r.readers, &reader{
			from: r, index: i, channel: ch, in: h.inboxes[i], place: h.inboxes[i].addQueue(r.name), log: h.log, timeout: h.cfg.WriteTimeout,
		})
	}
	h.remotes[r.id] = r
	h.names[r.name] = r
}

// buildLibrary builds the libp2p host: TCP, noise and yamux, without the services that libp2p adds by default.
func (h *Host) buildLibrary(peers []peer.AddrInfo) error {
	demoteLibraryLog(h.log)
	key, err := privateKey(h.cfg.Key)
	if err != nil {
		return fmt.Errorf("p2p: key: %w", err)
	}
	limits, err := newResourceManager(h.cfg, h.gate, peers)
	if err != nil {
		return fmt.Errorf("p2p: limits: %w", err)
	}
	h.lib, err = libp2p.New(
		libp2p.Identity(key),
		libp2p.NoListenAddrs,
		// With SO_REUSEPORT two processes could share a port and each would get half of the connections.
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport(), tcp.WithConnectionTimeout(dialTimeout)),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamuxTransport()),
		libp2p.ConnectionGater(h.gate),
		libp2p.ResourceManager(limits),
		libp2p.SwarmOpts(swarm.WithDialRanker(swarm.NoDelayDialRanker)),
		libp2p.UserAgent("remora"),
		libp2p.DisableRelay(),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.DisableMetrics(),
		libp2p.Ping(false),
	)
	if err != nil {
		return fmt.Errorf("p2p: %w", err)
	}
	net, ok := h.lib.Network().(*swarm.Swarm)
	if !ok {
		return errors.Join(fmt.Errorf("p2p: libp2p has a network of type %T, want its swarm", h.lib.Network()), h.lib.Close())
	}
	h.net = net
	for _, p := range peers {
		h.lib.Peerstore().AddAddrs(p.ID, p.Addrs, peerstore.PermanentAddrTTL)
	}
	return nil
}

// openListeners binds every listen address; libp2p itself would be satisfied with one of them.
func (h *Host) openListeners() error {
	for _, s := range h.cfg.Listen {
		addr, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			return fmt.Errorf("p2p: listen address %q: %w", s, err)
		}
		err = h.net.AddListenAddr(addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("p2p: listen on %s: %w", s, ErrAddressInUse)
		}
		if err != nil {
			return fmt.Errorf("p2p: listen on %s: %w", s, err)
		}
	}
	return nil
}

// Run connects to the peers, serves requests and delivers frames until the context ends. When it returns, every goroutine
// of the host has ended and the Receive channels are closed. A host can run only once.
func (h *Host) Run(ctx context.Context) error {
	if !h.enterState(fresh, running) {
		return ErrAlreadyRun
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h.registerHandlers(ctx)
	h.net.Notify(&network.NotifyBundle{ConnectedF: h.noteConnection, DisconnectedF: h.noteDisconnection})
	h.gate.openGate()
	var group sync.WaitGroup
	for _, b := range h.inboxes {
		group.Go(func() { b.deliverInTurn(ctx) })
	}
	group.Go(func() { h.dropIdleGuests(ctx) })
	for _, r := range h.remotes {
		if len(r.addrs) > 0 {
			group.Go(func() { r.keepConnected(ctx, h.net) })
		}
		for _, s := range r.senders {
			group.Go(func() { s.keepWriting(ctx, h.lib) })
		}
	}
	<-ctx.Done()
	h.enterState(running, closed)
	err := h.lib.Close()
	group.Wait()
	h.handlers.Wait()
	for _, b := range h.inboxes {
		close(b.out)
	}
	return err
}

// Handle adds handlers of requests, by protocol. It is for before Run.
func (h *Host) Handle(handlers map[string]Handler) error {
	if err := checkHandlers(handlers); err != nil {
		return err
	}
	maps.Copy(h.cfg.Serve, handlers)
	return nil
}

// Close releases a host that was never run. After Run it does nothing: Run releases the host itself.
func (h *Host) Close() error {
	if !h.enterState(fresh, closed) {
		return nil
	}
	return h.lib.Close()
}

func (h *Host) enterState(from, to int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state != from {
		return false
	}
	h.state = to
	return true
}

// registerHandlers installs the stream handlers of channels and requests.
func (h *Host) registerHandlers(ctx context.Context) {
	for i, ch := range h.cfg.Channels {
		h.lib.SetStreamHandler(h.cfg.channelProtocol(ch.Name), h.guardHandler(func(s network.Stream) {
			r := h.remotes[s.Conn().RemotePeer()]
			if r == nil {
				h.refused.Add(1)
				_ = s.Reset()
				return
			}
			r.readers[i].serveStream(ctx, s)
		}))
	}
	for name, handler := range h.cfg.Serve {
		h.lib.SetStreamHandler(h.cfg.requestProtocol(name), h.guardHandler(func(s network.Stream) { h.serveRequest(ctx, name, handler, s) }))
	}
}

// guardHandler lets Run wait for running handlers, and resets streams that arrive when the host is not running.
func (h *Host) guardHandler(handler network.StreamHandler) network.StreamHandler {
	return func(s network.Stream) {
		h.mu.Lock()
		if h.state != running {
			h.mu.Unlock()
			_ = s.Reset()
			return
		}
		h.handlers.Add(1)
		h.mu.Unlock()
		defer h.handlers.Done()
		handler(s)
	}
}

func (h *Host) noteConnection(_ network.Network, c network.Conn) {
	if r := h.remotes[c.RemotePeer()]; r != nil {
		h.gate.endHandshake(c.RemoteMultiaddr())
		r.wakeWaiters()
		return
	}
	h.closeConns(h.gate.admitConnection(c))
}

func (h *Host) noteDisconnection(_ network.Network, c network.Conn) {
	if r := h.remotes[c.RemotePeer()]; r != nil {
		r.wakeWaiters()
		return
	}
	h.gate.releaseConnection(c)
}

// dropIdleGuests closes the connections of idle guests until the context ends.
func (h *Host) dropIdleGuests(ctx context.Context) {
	ticker := time.NewTicker(guestIdleTime / 10)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			h.closeConns(h.gate.findIdleGuests()...)
		case <-ctx.Done():
			return
		}
	}
}

// ID returns the host's own peer id.
func (h *Host) ID() string { return h.lib.ID().String() }

// Addrs returns the multiaddrs at which the host listens, with real ports and, where they can be listed, interface
// addresses.
func (h *Host) Addrs() []string {
	addrs, err := h.net.InterfaceListenAddresses()
	if err != nil {
		addrs = h.net.ListenAddresses()
	}
	list := make([]string, len(addrs))
	for i, a := range addrs {
		list[i] = a.String()
	}
	return list
}

// Send queues a frame for a peer and reports whether it was queued; the package comment says what is delivered. It never
// blocks and does not copy: the same frame may be queued for several peers, and must not be changed afterwards.
func (h *Host) Send(peer, channel string, frame []byte) bool {
	r, i, ok := h.findLink(peer, channel)
	return ok && r.senders[i].queueFrame(frame)
}

func (h *Host) findLink(peer, channel string) (*remote, int, bool) {
	r := h.names[peer]
	i, ok := h.channels[channel]
	return r, i, ok && r != nil
}

// Receive returns the messages of a channel from all peers, in turn, nil for an unknown channel. It is closed when Run
// returns.
func (h *Host) Receive(channel string) <-chan Message {
	i, ok := h.channels[channel]
	if !ok {
		return nil
	}
	return h.inboxes[i].out
}

// Hold passes a peer's frames of a channel over for a while, a second from now at most: for a consumer to whom they cost
// more than their bytes say. They wait in the peer's queue, and when that is full on its stream.
func (h *Host) Hold(peer, channel string, d time.Duration) {
	if r, i, ok := h.findLink(peer, channel); ok {
		r.readers[i].in.holdPeer(r.readers[i].place, d)
	}
}

// Connected returns, sorted, the peers whose channels are all alive in both directions.
func (h *Host) Connected() []string {
	var list []string
	for _, r := range h.remotes {
		if r.isConnected(h.net) {
			list = append(list, r.name)
		}
	}
	slices.Sort(list)
	return list
}
