package p2p

import (
	"context"
	"encoding/binary"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"github.com/remora-network/remora/node/p2p/p2ptest"
)

const patience = 20 * time.Second

func seed(i int) [32]byte {
	var s [32]byte
	binary.BigEndian.PutUint64(s[:], uint64(i)+1)
	return s
}

func idOf(t testing.TB, i int) string {
	t.Helper()
	id, err := SeedPeerID(seed(i))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// committee returns the configurations of n nodes that know each other, with channels dag and batch.
func committee(t testing.TB, n int) []Config {
	t.Helper()
	peers := make([]Peer, n)
	for i := range peers {
		peers[i] = Peer{ID: idOf(t, i), Addrs: []string{p2ptest.Multiaddr(t)}}
	}
	configs := make([]Config, n)
	for i := range configs {
		configs[i] = Config{
			Key: seed(i), Listen: peers[i].Addrs, Namespace: "test",
			Peers:    slices.Concat(peers[:i], peers[i+1:]),
			Channels: []Channel{{Name: "dag", MaxFrame: 64 << 10}, {Name: "batch"}},
		}
	}
	return configs
}

// node is a running host.
type node struct {
	*Host
	cancel  context.CancelFunc
	stopped chan error
}

func start(t testing.TB, cfg Config) *node {
	t.Helper()
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &node{Host: h, cancel: cancel, stopped: make(chan error, 1)}
	go func() { n.stopped <- h.Run(ctx) }()
	t.Cleanup(func() { n.stop(t) })
	eventually(t, "open gate", func() bool { return h.gate.isOpen() })
	return n
}

func startAll(t testing.TB, configs []Config) []*node {
	t.Helper()
	nodes := make([]*node, len(configs))
	for i, cfg := range configs {
		nodes[i] = start(t, cfg)
	}
	return nodes
}

func (n *node) stop(t testing.TB) {
	t.Helper()
	n.cancel()
	select {
	case err := <-n.stopped:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
		n.stopped <- nil
	case <-time.After(patience):
		t.Fatal("Run did not return")
	}
}

func meshed(nodes ...*node) func() bool {
	return func() bool {
		for _, n := range nodes {
			if len(n.Connected()) != len(nodes)-1 {
				return false
			}
		}
		return true
	}
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("gave up waiting: %s", what)
		}
	}
}

func next(t testing.TB, from <-chan Message) Message {
	t.Helper()
	select {
	case m := <-from:
		return m
	case <-time.After(patience):
		t.Fatal("gave up waiting for a message")
		return Message{}
	}
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// link returns the counters of a channel with a peer.
func (n *node) link(t testing.TB, peer, channel string) LinkStats {
	t.Helper()
	for _, l := range n.Stats().Links {
		if l.Peer == peer && l.Channel == channel {
			return l
		}
	}
	t.Fatalf("no counters for peer %s, channel %s", peer, channel)
	return LinkStats{}
}

// rogue is a bare libp2p host that sends whatever a test wants.
type rogue struct {
	host.Host
}

func newRogue(t testing.TB, key crypto.PrivKey, listen ...string) *rogue {
	t.Helper()
	return newRogueOver(t, key, nil, listen...)
}

func newRogueOver(t testing.TB, key crypto.PrivKey, dial tcp.Option, listen ...string) *rogue {
	t.Helper()
	transport := []any{tcp.DisableReuseport()}
	if dial != nil {
		transport = append(transport, dial)
	}
	h, err := libp2p.New(
		libp2p.Identity(key), libp2p.ListenAddrStrings(listen...),
		libp2p.Transport(tcp.NewTCPTransport, transport...), libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport), libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(), libp2p.DisableIdentifyAddressDiscovery(), libp2p.DisableMetrics(), libp2p.Ping(false),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close rogue: %v", err)
		}
	})
	return &rogue{h}
}

// rogueAt is a rogue with a key of its own, which dials from a loopback address of its own.
func rogueAt(t testing.TB, i int, from string) *rogue {
	t.Helper()
	key, err := privateKey(seed(i))
	if err != nil {
		t.Fatal(err)
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return newRogueOver(t, key, tcp.WithDialerForAddr(func(multiaddr.Multiaddr) (tcp.ContextDialer, error) { return dialer, nil }))
}

// rogueSeed is a rogue with the key of committee member i.
func rogueSeed(t testing.TB, i int, listen ...string) *rogue {
	t.Helper()
	key, err := privateKey(seed(i))
	if err != nil {
		t.Fatal(err)
	}
	return newRogue(t, key, listen...)
}

func (r *rogue) connect(t testing.TB, to *node) error {
	t.Helper()
	id, err := peer.Decode(to.ID())
	if err != nil {
		t.Fatal(err)
	}
	r.Network().(*swarm.Swarm).Backoff().Clear(id)
	return r.Connect(within(t), peer.AddrInfo{ID: id, Addrs: []multiaddr.Multiaddr{multiaddr.StringCast(to.Addrs()[0])}})
}

// open opens a stream with a deadline, so that a test fails rather than hangs.
func (r *rogue) open(t testing.TB, to *node, protocolID protocol.ID) network.Stream {
	t.Helper()
	id, err := peer.Decode(to.ID())
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.NewStream(within(t), id, protocolID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return s
}

// dead reports whether the other side ended the stream (and not the test's own deadline).
func dead(s network.Stream) bool {
	var b [1]byte
	for {
		if _, err := s.Read(b[:]); err != nil {
			timeout, ok := err.(interface{ Timeout() bool })
			return !ok || !timeout.Timeout()
		}
	}
}
