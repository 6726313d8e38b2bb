package p2p

import (
	"io"
	"net/netip"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

const (
	maxHandshakes = 128 // connections whose peer has not proven its key yet
	// sourceHandshakes is the most of them from one address.
	sourceHandshakes = maxHandshakes / 4
)

// handshakes holds the incoming connections whose peer has not proven its key yet. A new one is never refused: without room
// the oldest one of its address goes, or of the address with the most. An honest handshake takes a few round trips, so only
// those that stall are old. It belongs to its gater, whose lock guards it.
type handshakes struct {
	open   map[string]*handshake // by remote multiaddr; at most maxHandshakes
	source map[netip.Prefix]int  // handshakes of each address
	began  uint64                // handshakes so far
}

type handshake struct {
	remote string
	source netip.Prefix
	conn   io.Closer
	order  uint64
}

func newHandshakes() handshakes {
	return handshakes{open: make(map[string]*handshake), source: make(map[netip.Prefix]int)}
}

// beginHandshake counts a handshake, and returns the one that has to end for it, nil while there is room.
func (s *handshakes) beginHandshake(addr multiaddr.Multiaddr, conn io.Closer) *handshake {
	s.began++
	h := &handshake{remote: addr.String(), source: sourceOf(addr), conn: conn, order: s.began}
	var stalled *handshake
	if s.source[h.source] >= sourceHandshakes {
		stalled = s.oldestOf(h.source)
	} else if len(s.open) >= maxHandshakes {
		stalled = s.oldestOf(s.busiestSource())
	}
	if stalled != nil {
		s.endHandshake(stalled.remote)
	}
	s.endHandshake(h.remote)
	s.open[h.remote] = h
	s.source[h.source]++
	return stalled
}

// endHandshake forgets a handshake that has succeeded or failed.
func (s *handshakes) endHandshake(remote string) {
	h := s.open[remote]
	if h == nil {
		return
	}
	delete(s.open, remote)
	if s.source[h.source]--; s.source[h.source] == 0 {
		delete(s.source, h.source)
	}
}

func (s *handshakes) oldestOf(source netip.Prefix) *handshake {
	var oldest *handshake
	for _, h := range s.open {
		if h.source == source && (oldest == nil || h.order < oldest.order) {
			oldest = h
		}
	}
	return oldest
}

func (s *handshakes) busiestSource() netip.Prefix {
	var busiest netip.Prefix
	most := 0
	for source, n := range s.source {
		if n > most || n == most && source.Addr().Less(busiest.Addr()) {
			busiest, most = source, n
		}
	}
	return busiest
}

// resources is libp2p's resource manager, which also tells the gater how incoming connections end, and bounds the streams
// of guests below those of registered nodes.
type resources struct {
	network.ResourceManager
	gate *gater
}

// OpenConnection counts a connection. An incoming one is in its handshake until the host notes it, or until it is done.
func (r *resources) OpenConnection(dir network.Direction, usefd bool, endpoint multiaddr.Multiaddr) (network.ConnManagementScope, error) {
	scope, err := r.ResourceManager.OpenConnection(dir, usefd, endpoint)
	if dir != network.DirInbound {
		return scope, err
	}
	if err != nil {
		r.gate.endHandshake(endpoint)
		return nil, err
	}
	return &incoming{ConnManagementScope: scope, gate: r.gate, endpoint: endpoint}, nil
}

// OpenStream counts a stream.
func (r *resources) OpenStream(id peer.ID, dir network.Direction) (network.StreamManagementScope, error) {
	if dir == network.DirInbound && r.gate.classOf(id) == guest {
		streams := 0
		err := r.ViewPeer(id, func(s network.PeerScope) error {
			streams = s.Stat().NumStreamsInbound
			return nil
		})
		if err == nil && streams >= guestStreams {
			err = network.ErrResourceLimitExceeded
		}
		if err != nil {
			return nil, err
		}
	}
	return r.ResourceManager.OpenStream(id, dir)
}

// incoming is the scope of an incoming connection.
type incoming struct {
	network.ConnManagementScope
	gate     *gater
	endpoint multiaddr.Multiaddr
}

// Done is called once, when the connection or its handshake has ended.
func (c *incoming) Done() {
	c.gate.endHandshake(c.endpoint)
	c.ConnManagementScope.Done()
}
