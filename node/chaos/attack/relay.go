package attack

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/trust"
)

// relay stands between the validator inside a member and the committee: a host with the member's identity outside, and
// inside one host for each other member, which the validator takes for that member. It passes everything on, both ways,
// unless it is told otherwise, and can speak in every one's name to the validator.
type relay struct {
	real    *trust.Committee
	self    remora.Authority
	outer   *p2p.Host
	inner   *p2p.Host
	innerID string
	inside  *trust.Committee // the committee as the validator sees it
	stand   []*p2p.Host      // stand-ins by authority; nil at self
	domain  remora.Domain

	mu     sync.Mutex
	held   map[remora.Hash]bool // batches that are not passed on
	direct bool                 // headers that list them go to one member at a time
	turn   remora.Authority
}

// relayRequests is the number of requests that hosts of a relay serve at a time.
const relayRequests = 256

func newRelay(m *member) (*relay, error) {
	r := &relay{real: m.forger.committee, self: m.forger.self, domain: m.forger.committee.Domain}
	seed := randomSeed()
	var err error
	if r.innerID, err = p2p.SeedPeerID(seed); err != nil {
		return nil, err
	}
	namespace := r.real.Domain.String()[:16]
	server := peers.Server{Domain: r.real.Domain, Store: m.store, Head: m.head}
	members := slices.Clone(r.real.Members)
	members[r.self].PeerID, members[r.self].Addrs = r.innerID, nil
	r.stand = make([]*p2p.Host, len(members))
	for a := range members {
		if remora.Authority(a) == r.self {
			continue
		}
		if r.stand[a], err = r.newStandIn(namespace, &members[a]); err != nil {
			return nil, err
		}
	}
	insideMembers := *r.real.Committee
	insideMembers.Members = members
	if r.inside, err = trust.New(&insideMembers); err != nil {
		return nil, err
	}
	r.inner, err = p2p.New(p2p.Config{
		Key: seed, Namespace: namespace, Peers: peersOf(members), Channels: peers.Channels(), Serve: server.Handlers(),
		PeerRequests: relayRequests, TotalRequests: relayRequests, MaxRequest: peers.MaxSubmitBytes,
	})
	if err != nil {
		return nil, err
	}
	self := r.real.Members[r.self]
	r.outer, err = p2p.New(p2p.Config{
		Key: m.forger.keys.Network, Listen: self.Addrs, Namespace: namespace, Peers: peersOf(r.real.Members), Channels: peers.Channels(),
		PeerRequests: relayRequests, TotalRequests: relayRequests, MaxRequest: peers.MaxSubmitBytes, Guests: 64,
		Serve: r.forwardInward(server.Handlers()),
	})
	return r, err
}

// newStandIn returns the host that the validator takes for a member, and enters its address.
func (r *relay) newStandIn(namespace string, as *remora.Member) (*p2p.Host, error) {
	seed := randomSeed()
	id, err := p2p.SeedPeerID(seed)
	if err != nil {
		return nil, err
	}
	real := as.PeerID
	forward := map[string]p2p.Handler{}
	for _, name := range requestNames() {
		forward[name] = func(ctx context.Context, _ string, request []byte) ([]byte, error) {
			return r.outer.Request(ctx, real, name, request, peers.MaxAnswer)
		}
	}
	host, err := p2p.New(p2p.Config{
		Key: seed, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Namespace: namespace, Peers: []p2p.Peer{{ID: r.innerID}},
		Channels: peers.Channels(), Serve: forward, PeerRequests: relayRequests, TotalRequests: relayRequests, MaxRequest: peers.MaxSubmitBytes,
	})
	if err != nil {
		return nil, err
	}
	as.PeerID, as.Addrs = id, host.Addrs()
	return host, nil
}

// requestNames returns the requests that members answer each other.
func requestNames() []string {
	names := slices.Collect(maps.Keys(new(peers.Server).Handlers()))
	return append(names, slices.Collect(maps.Keys(new(peers.TipServer).Handlers()))...)
}

// forwardInward answers from the store what every node answers, and passes on to the validator what members ask of one.
func (r *relay) forwardInward(answers map[string]p2p.Handler) map[string]p2p.Handler {
	forward := maps.Clone(answers)
	for _, name := range requestNames() {
		if answers[name] != nil {
			continue
		}
		forward[name] = func(ctx context.Context, peer string, request []byte) ([]byte, error) {
			a, known := r.real.ByPeer(peer)
			if !known {
				return nil, p2p.ErrNotFound
			}
			return r.stand[a].Request(ctx, r.innerID, name, request, peers.MaxAnswer)
		}
	}
	return forward
}

// serveValidator adds the requests that only validators answer.
func (r *relay) serveValidator(handlers map[string]p2p.Handler) error {
	return r.inner.Handle(handlers)
}

// loops returns the goroutines of the relay.
func (r *relay) loops() []func(context.Context) error {
	loops := []func(context.Context) error{r.outer.Run, r.inner.Run}
	for _, channel := range peers.Channels() {
		loops = append(loops, func(ctx context.Context) error { return r.passInward(ctx, channel.Name) })
		for a, host := range r.stand {
			if host != nil {
				loops = append(loops, func(ctx context.Context) error { return r.passOutward(ctx, remora.Authority(a), channel.Name) })
			}
		}
	}
	for _, host := range r.stand {
		if host != nil {
			loops = append(loops, host.Run)
		}
	}
	return loops
}

// passInward passes what members send on to the validator.
func (r *relay) passInward(ctx context.Context, channel string) error {
	for m := range r.outer.Receive(channel) {
		if a, known := r.real.ByPeer(m.Peer); known {
			r.stand[a].Send(r.innerID, channel, m.Payload)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// passOutward passes what the validator sends to one member on to it.
func (r *relay) passOutward(ctx context.Context, to remora.Authority, channel string) error {
	for m := range r.stand[to].Receive(channel) {
		if r.passes(to, channel, m.Payload) {
			r.push(ctx, to, channel, m.Payload)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// passes reports whether a frame of the validator is passed on.
func (r *relay) passes(to remora.Authority, channel string, frame []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.held) == 0 {
		return true
	}
	if channel == peers.ChannelBatch {
		return !r.held[frameBatch(frame)]
	}
	if !r.direct || !listsAny(r.domain, frame, r.held) {
		return true
	}
	return to == r.turn
}

// floodDepth is the number of frames of a flood that may wait for one member, so that the validator's own get through.
const floodDepth = 64

// hasRoom reports whether few frames wait for a member.
func (r *relay) hasRoom(to remora.Authority, channel string) bool {
	for _, l := range r.outer.Stats().Links {
		if l.Peer == r.real.Members[to].PeerID && l.Channel == channel && l.Queued > floodDepth {
			return false
		}
	}
	return true
}

// push sends a frame to a member, and waits for room.
func (r *relay) push(ctx context.Context, to remora.Authority, channel string, frame []byte) {
	for !r.outer.Send(r.real.Members[to].PeerID, channel, frame) && ctx.Err() == nil {
		devnet.Pause(ctx, 2*time.Millisecond)
	}
}

// holdBatches keeps batches back. If direct, headers that list them go to one member at a time.
func (r *relay) holdBatches(batches map[remora.Hash]bool, direct bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held, r.direct, r.turn = batches, direct, r.others()[0]
}

// releaseBatches sends stocked batches to all, unless direct, and tells the validator in the name of all that they hold
// them, so that it lists them.
func (r *relay) releaseBatches(ctx context.Context, m *member, stock []remora.Batch, direct bool) {
	if !direct {
		r.mu.Lock()
		r.held = nil
		r.mu.Unlock()
	}
	var group sync.WaitGroup
	for _, a := range r.others() {
		group.Go(func() {
			for _, b := range stock {
				if !direct {
					r.push(ctx, a, peers.ChannelBatch, m.forger.batchFrame(b))
				}
				for !r.stand[a].Send(r.innerID, peers.ChannelAck, ackFrame(b.Digest)) && ctx.Err() == nil {
					devnet.Pause(ctx, 2*time.Millisecond)
				}
			}
		})
	}
	group.Wait()
	if direct {
		go r.rotate(ctx)
	}
}

// rotate changes every second to whom headers with held batches go.
func (r *relay) rotate(ctx context.Context) {
	for i := 1; ctx.Err() == nil; i++ {
		devnet.Pause(ctx, time.Second)
		r.mu.Lock()
		r.turn = r.others()[i%len(r.others())]
		r.mu.Unlock()
	}
}

// others returns the members that are attacked.
func (r *relay) others() []remora.Authority {
	var all []remora.Authority
	for a, host := range r.stand {
		if host != nil {
			all = append(all, remora.Authority(a))
		}
	}
	return all
}

func peersOf(members []remora.Member) []p2p.Peer {
	var all []p2p.Peer
	for _, m := range members {
		all = append(all, p2p.Peer{ID: m.PeerID, Addrs: m.Addrs})
	}
	return all
}

func randomSeed() (seed [32]byte) {
	_, _ = rand.Read(seed[:]) // never fails
	return seed
}
