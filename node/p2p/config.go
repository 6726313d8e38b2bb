package p2p

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"

	"github.com/remora-network/remora/node/limits"
)

// Defaults of a channel and of requests; a zero field of Config or Channel means its default.
const (
	DefaultMaxFrame       = 1 << 20
	DefaultQueueFrames    = 1024
	DefaultQueueBytes     = 16 << 20
	DefaultMaxRequest     = 64 << 10
	DefaultRequestTimeout = 10 * time.Second
	DefaultPeerRequests   = 4
	DefaultTotalRequests  = 64
	DefaultGuestRequests  = 16
	DefaultRegistered     = 256
	DefaultWriteTimeout   = 10 * time.Second

	maxPeers    = 1024
	maxChannels = 32 // a peer's live channels are a uint32 mask
	maxFrameCap = 64 << 20
)

// Peer is a known node.
type Peer struct {
	ID    string   // see PeerID
	Addrs []string // multiaddrs such as /ip4/10.0.0.7/tcp/4600; if empty, the peer is expected to dial us
}

// Channel describes one named stream to every peer. All nodes of a network use the same names and limits.
type Channel struct {
	Name        string
	MaxFrame    int // bytes; a peer that announces a longer frame loses its stream
	QueueFrames int // frames waiting per peer
	QueueBytes  int // bytes waiting per peer
	Rate        int // bytes per second taken from each peer, a frame counting 1 KiB or more; 0: no limit. A second's worth may come at once
}

// Handler answers one request. The context ends at the request's deadline or with the host; the handler owns the request.
// An error's text is shortened and sent to the requester, so it must not hold secrets. Handlers run concurrently.
type Handler func(ctx context.Context, peer string, request []byte) ([]byte, error)

// Config describes the local node, its peers, and the channels and requests they exchange.
type Config struct {
	Key       [32]byte // Ed25519 seed
	Listen    []string // multiaddrs such as /ip4/127.0.0.1/tcp/0
	Namespace string   // part of every protocol name, of the chain's domain: nodes of different chains share no protocol
	Peers     []Peer
	Channels  []Channel
	Serve     map[string]Handler // by request protocol
	Logger    *slog.Logger
	Hits      *limits.Hits // optional

	Guests          int // most connections of unknown peers at a time, for requests only
	RegisteredConns int // most connections of registered nodes at a time, for requests only

	// Up, if set, is called when all of a peer's channels have come alive in both directions: the moment to re-send
	// what the peer may have missed. It is called from network goroutines and must not block.
	Up func(peer string)

	MaxRequest     int           // bytes of a request that we serve
	PeerRequests   int           // requests served at once per peer; of a guest at most DefaultPeerRequests
	TotalRequests  int           // requests of registered nodes served at once
	GuestRequests  int           // requests of guests served at once
	RequestTimeout time.Duration // for serving a request, and for asking when the context has no deadline
	WriteTimeout   time.Duration // a stream that makes no progress for this long is reset

	now func() time.Time // of the limits; tests set it
}

var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// fillDefaults checks the configuration and returns it with defaults in place of zeros.
func (c Config) fillDefaults() (Config, error) {
	if !nameRule.MatchString(c.Namespace) {
		return c, fmt.Errorf("p2p: namespace %q: want 1 to 64 of a-z 0-9 . _ -", c.Namespace)
	}
	if len(c.Peers) > maxPeers || len(c.Channels) > maxChannels {
		return c, fmt.Errorf("p2p: %d peers and %d channels: at most %d and %d", len(c.Peers), len(c.Channels), maxPeers, maxChannels)
	}
	channels, err := completeChannels(c.Channels)
	if err != nil {
		return c, err
	}
	c.Channels = channels
	if err := checkHandlers(c.Serve); err != nil {
		return c, err
	}
	served := make(map[string]Handler, len(c.Serve))
	maps.Copy(served, c.Serve)
	c.Serve = served
	c.MaxRequest = cmp.Or(c.MaxRequest, DefaultMaxRequest)
	c.PeerRequests = cmp.Or(c.PeerRequests, DefaultPeerRequests)
	c.TotalRequests = cmp.Or(c.TotalRequests, DefaultTotalRequests)
	c.GuestRequests = cmp.Or(c.GuestRequests, DefaultGuestRequests)
	c.RegisteredConns = cmp.Or(c.RegisteredConns, DefaultRegistered)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, DefaultRequestTimeout)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, DefaultWriteTimeout)
	if min(c.Guests, c.RegisteredConns, c.MaxRequest, c.PeerRequests, c.TotalRequests, c.GuestRequests) < 0 || min(c.RequestTimeout, c.WriteTimeout) < 0 {
		return c, fmt.Errorf("p2p: limits and timeouts must not be negative")
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func completeChannels(list []Channel) ([]Channel, error) {
	channels := make([]Channel, len(list))
	seen := make(map[string]bool)
	for i, ch := range list {
		if !nameRule.MatchString(ch.Name) || seen[ch.Name] {
			return nil, fmt.Errorf("p2p: channel name %q: want a unique one of 1 to 64 of a-z 0-9 . _ -", ch.Name)
		}
		seen[ch.Name] = true
		ch.MaxFrame = cmp.Or(ch.MaxFrame, DefaultMaxFrame)
		ch.QueueFrames = cmp.Or(ch.QueueFrames, DefaultQueueFrames)
		ch.QueueBytes = cmp.Or(ch.QueueBytes, DefaultQueueBytes)
		if ch.MaxFrame < 0 || ch.MaxFrame > maxFrameCap || min(ch.QueueFrames, ch.Rate) < 0 || ch.QueueBytes < ch.MaxFrame {
			return nil, fmt.Errorf("p2p: channel %s: want a frame limit up to %d, a queue that holds one frame, and no negative number", ch.Name, maxFrameCap)
		}
		channels[i] = ch
	}
	return channels, nil
}

func (c Config) channelProtocol(name string) protocol.ID {
	return protocol.ID("/remora/" + c.Namespace + "/channel/" + name + "/2")
}

func (c Config) requestProtocol(name string) protocol.ID {
	return protocol.ID("/remora/" + c.Namespace + "/request/" + name + "/2")
}

// parsePeer decodes a peer's id and addresses. An address may end in /p2p/ and the peer's own id.
func parsePeer(p Peer) (peer.AddrInfo, error) {
	id, err := decodePeerID(p.ID)
	if err != nil {
		return peer.AddrInfo{}, err
	}
	info := peer.AddrInfo{ID: id}
	for _, s := range p.Addrs {
		addr, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			return info, fmt.Errorf("peer %s: address %q: %w", p.ID, s, err)
		}
		addr, named := peer.SplitAddr(addr)
		if addr == nil || named != "" && named != id {
			return info, fmt.Errorf("peer %s: address %q names another peer or no host", p.ID, s)
		}
		info.Addrs = append(info.Addrs, addr)
	}
	return info, nil
}

func checkHandlers(handlers map[string]Handler) error {
	for name, handler := range handlers {
		if !nameRule.MatchString(name) || handler == nil {
			return fmt.Errorf("p2p: request protocol %q: want a handler and a name of 1 to 64 of a-z 0-9 . _ -", name)
		}
	}
	return nil
}
