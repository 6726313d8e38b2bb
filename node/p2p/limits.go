package p2p

import (
	"net/netip"
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

	connsPerPeer   = 8  // both sides may dial at once, and a lost connection stays until its keepalive fails
	streamsPerPeer = 64 // requests and libp2p's own streams, besides the channels
	connsPerGuest  = 2
	spareConns     = 32 // handshakes in progress
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

// resourceBudgets returns the resources for one known peer, for one guest, and for all together.
func resourceBudgets(c Config) (known, guest, all rcmgr.ResourceLimits) {
	streams := 4*len(c.Channels) + streamsPerPeer + c.PeerRequests
	windows := 2 * len(c.Channels) * lastWindow
	known = boundResources(connsPerPeer, streams, windows)
	guest = boundResources(connsPerGuest, 8+2*c.PeerRequests, 0)
	all = boundResources(
		len(c.Peers)*connsPerPeer+c.Guests+spareConns,
		len(c.Peers)*streams+c.Guests*(8+2*c.PeerRequests)+streamsPerPeer,
		len(c.Peers)*windows)
	return known, guest, all
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

// newResourceManager builds libp2p's resource manager with limits of our own. The default ones let an address connect 16
// times and then once in five seconds, dials included: too few for a redial every two seconds, and for a committee behind
// one address.
func newResourceManager(c Config, peers []peer.AddrInfo) (network.ResourceManager, error) {
	known, guest, all := resourceBudgets(c)
	limits := rcmgr.PartialLimitConfig{
		System: all, Transient: all, AllowlistedSystem: all, AllowlistedTransient: all,
		PeerDefault: guest, Peer: make(map[peer.ID]rcmgr.ResourceLimits, len(peers)),
	}
	var reserved []multiaddr.Multiaddr
	for _, p := range peers {
		limits.Peer[p.ID] = known
		reserved = append(reserved, allowlistAddrs(p)...)
	}
	perAddress := len(c.Peers)*connsPerPeer + connsPerGuest + spareConns
	return rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(limits.Build(rcmgr.InfiniteLimits)),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithAllowlistedMultiaddrs(reserved),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: perAddress}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: perAddress}}),
		rcmgr.WithConnRateLimiters(connectionRate(perAddress)),
	)
}

// connectionRate limits the new connections of an address per second; loopback is not limited.
func connectionRate(perSecond int) *rate.Limiter {
	limit := rate.Limit{RPS: float64(perSecond), Burst: 2 * perSecond}
	return &rate.Limiter{
		NetworkPrefixLimits: []rate.PrefixLimit{
			{Prefix: netip.MustParsePrefix("127.0.0.0/8")},
			{Prefix: netip.MustParsePrefix("::1/128")},
		},
		SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: limit}},
			IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: limit}},
			GracePeriod:      time.Minute,
		},
	}
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
