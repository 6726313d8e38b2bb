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
	firstWindow = 256 << 10 // yamux grants so much to each new stream
	// lastWindow bounds what a stalled stream can hold here. yamux grows a window only while it limits the stream (less
	// than four round trips to fill it), so slow links keep a small one, and bulk does not queue ahead of urgent frames.
	lastWindow = 4 << 20

	// keepalive and the ten seconds that yamux waits for an answer bound how long a peer that vanished without a word
	// (power, cable) counts as connected.
	keepalive = 5 * time.Second

	connsPerPeer   = 8  // both sides may dial at once, and a lost connection lingers until its keepalive fails
	streamsPerPeer = 64 // requests and libp2p's own, besides the channels
	connsPerGuest  = 2
	spareConns     = 32 // handshakes under way
)

// muxer returns yamux with smaller messages and bounded windows.
func muxer() *yamux.Transport {
	t := *yamux.DefaultTransport
	t.KeepAliveInterval = keepalive
	t.MaxMessageSize = yamuxMessage
	t.InitialStreamWindowSize = firstWindow
	t.MaxStreamWindowSize = lastWindow
	return &t
}

// budget returns what one known peer and one guest may hold, and everybody together.
func budget(c Config) (known, guest, all rcmgr.ResourceLimits) {
	streams := 4*len(c.Channels) + streamsPerPeer + c.PeerRequests
	windows := 2 * len(c.Channels) * lastWindow
	known = resources(connsPerPeer, streams, windows)
	guest = resources(connsPerGuest, 8+2*c.PeerRequests, 0)
	all = resources(
		len(c.Peers)*connsPerPeer+c.Guests+spareConns,
		len(c.Peers)*streams+c.Guests*(8+2*c.PeerRequests)+streamsPerPeer,
		len(c.Peers)*windows)
	return known, guest, all
}

// resources allows so many connections, so many streams each way, and the memory of their first windows plus extra.
func resources(conns, streams, extra int) rcmgr.ResourceLimits {
	return rcmgr.ResourceLimits{
		Conns: rcmgr.LimitVal(conns), ConnsInbound: rcmgr.LimitVal(conns), ConnsOutbound: rcmgr.LimitVal(conns), FD: rcmgr.LimitVal(conns),
		Streams: rcmgr.LimitVal(2 * streams), StreamsInbound: rcmgr.LimitVal(streams), StreamsOutbound: rcmgr.LimitVal(streams),
		Memory: rcmgr.LimitVal64(2*streams*firstWindow + extra),
	}
}

// newLimits builds the resource manager. libp2p's own limits do not fit: they let an address connect 16 times and then
// once in five seconds, dials included, which starves a redial every two seconds and a committee behind one address.
func newLimits(c Config, peers []peer.AddrInfo) (network.ResourceManager, error) {
	known, guest, all := budget(c)
	limits := rcmgr.PartialLimitConfig{
		System: all, Transient: all, AllowlistedSystem: all, AllowlistedTransient: all,
		PeerDefault: guest, Peer: make(map[peer.ID]rcmgr.ResourceLimits, len(peers)),
	}
	var reserved []multiaddr.Multiaddr
	for _, p := range peers {
		limits.Peer[p.ID] = known
		reserved = append(reserved, allowed(p)...)
	}
	perAddress := len(c.Peers)*connsPerPeer + connsPerGuest + spareConns
	return rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(limits.Build(rcmgr.InfiniteLimits)),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithAllowlistedMultiaddrs(reserved),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: perAddress}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: perAddress}}),
		rcmgr.WithConnRateLimiters(connRate(perAddress)),
	)
}

// connRate allows an address so many new connections a second, and any number on loopback.
func connRate(perSecond int) *rate.Limiter {
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

// allowed returns the addresses from which a known peer may connect even when strangers have used up the general limits.
func allowed(p peer.AddrInfo) []multiaddr.Multiaddr {
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
