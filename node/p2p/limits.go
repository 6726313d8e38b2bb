package p2p

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/x/rate"
	"github.com/multiformats/go-multiaddr"
)

const (
	firstWindow = 256 << 10 // bytes that yamux grants to a new stream
	// lastWindow bounds the bytes that a stalled stream can hold in the receiver. yamux grows a window only while it
	// limits the stream (filled within four round trips), so slow links keep a small one and bulk frames do not queue
	// ahead of urgent ones.
	lastWindow = 4 << 20

	// keepalive and the ten seconds that yamux waits for its answer bound the time in which a peer that vanished
	// silently (power, cable) counts as connected.
	keepalive = 5 * time.Second

	connsPerPeer       = 8  // both sides may dial at once, and a lost connection stays until its keepalive fails
	streamsPerPeer     = 64 // requests and libp2p's own streams, besides the channels
	connsPerRegistered = 4
	connsPerGuest      = 2
	guestStreams       = 16 // that a guest has opened

	// guestRequestRate is the number of requests a second of a guest; the guests of an address make at most twice as many.
	guestRequestRate = 100
)

// yamuxTransport returns yamux with smaller messages and bounded windows.
func yamuxTransport() *yamux.Transport {
	t := *yamux.DefaultTransport
	t.KeepAliveInterval = keepalive
	t.MaxMessageSize = yamuxMessage
	t.InitialStreamWindowSize = firstWindow
	t.MaxStreamWindowSize = lastWindow
	return &t
}

// resourceBudgets returns the resources for one member, for one other peer, and for all together. Guests have less than the
// resource manager knows of: it does not see classes.
func resourceBudgets(c Config) (known, other, all rcmgr.ResourceLimits) {
	streams := 4*len(c.Channels) + streamsPerPeer + c.PeerRequests
	windows := 2 * len(c.Channels) * lastWindow
	perOther := 8 + 2*c.PeerRequests
	known = boundResources(connsPerPeer, streams, windows)
	other = boundResources(2*connsPerRegistered, perOther, 0) // one that replaces another is counted before that has ended
	all = boundResources(
		len(c.Peers)*connsPerPeer+c.Guests+c.RegisteredConns+2*maxHandshakes,
		len(c.Peers)*streams+c.Guests*guestStreams+c.RegisteredConns*perOther+streamsPerPeer,
		len(c.Peers)*windows)
	return known, other, all
}

// boundResources returns limits for a number of connections, of streams in each direction, and for the memory of their
// first windows plus extra bytes.
func boundResources(conns, streams, extra int) rcmgr.ResourceLimits {
	return rcmgr.ResourceLimits{
		Conns: rcmgr.LimitVal(conns), ConnsInbound: rcmgr.LimitVal(conns), ConnsOutbound: rcmgr.LimitVal(conns), FD: rcmgr.LimitVal(conns),
		Streams: rcmgr.LimitVal(2 * streams), StreamsInbound: rcmgr.LimitVal(streams), StreamsOutbound: rcmgr.LimitVal(streams),
		Memory: rcmgr.LimitVal64(2*streams*firstWindow + extra),
	}
}

// newResourceManager builds libp2p's resource manager with limits of our own. Those of an address are the gater's: libp2p's
// let an address connect 16 times and then once in five seconds, dials included: too few for a redial every two seconds, and
// for a committee behind one address.
func newResourceManager(c Config, gate *gater, peers []peer.AddrInfo) (network.ResourceManager, error) {
	known, other, all := resourceBudgets(c)
	limits := rcmgr.PartialLimitConfig{
		System: all, Transient: all, AllowlistedSystem: all, AllowlistedTransient: all,
		PeerDefault: other, Peer: make(map[peer.ID]rcmgr.ResourceLimits, len(peers)),
	}
	var reserved []multiaddr.Multiaddr
	for _, p := range peers {
		limits.Peer[p.ID] = known
		reserved = append(reserved, allowlistAddrs(p)...)
	}
	most := int(all.Conns)
	manager, err := rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(limits.Build(rcmgr.InfiniteLimits)),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithAllowlistedMultiaddrs(reserved),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: most}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 64, ConnCount: most}}),
		rcmgr.WithConnRateLimiters(new(rate.Limiter)),
	)
	if err != nil {
		return nil, err
	}
	return &resources{ResourceManager: manager, gate: gate}, nil
}

// allowlistAddrs returns the addresses from which a known peer may connect even when strangers have exhausted the general
// limits.
func allowlistAddrs(p peer.AddrInfo) []multiaddr.Multiaddr {
	var list []multiaddr.Multiaddr
	for _, addr := range p.Addrs {
		first, _ := multiaddr.SplitFirst(addr)
		if first == nil || first.Protocol().Code != multiaddr.P_IP4 && first.Protocol().Code != multiaddr.P_IP6 {
			continue
		}
		if name, err := multiaddr.NewComponent("p2p", p.ID.String()); err == nil {
			list = append(list, first.Multiaddr().Encapsulate(name.Multiaddr()))
		}
	}
	return list
}
