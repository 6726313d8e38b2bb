package p2p

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/remora-network/remora/node/limits"
	"github.com/remora-network/remora/node/p2p/p2ptest"
)

// handClock is a clock that the test moves.
type handClock struct {
	mu sync.Mutex
	at time.Time
}

func newHandClock() *handClock { return &handClock{at: time.Unix(1000, 0)} }

func (c *handClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	c.at = c.at.Add(d)
	c.mu.Unlock()
}

// fortress starts a host with eight places for guests that serves echo, and counts who hits its limits.
func fortress(t *testing.T) (*node, *handClock, *limits.Hits) {
	t.Helper()
	clock := newHandClock()
	hits := limits.NewHits(clock.now, slog.New(slog.DiscardHandler))
	n := start(t, Config{
		Key: seed(0), Listen: []string{p2ptest.Multiaddr(t)}, Namespace: "test", Guests: 8,
		Serve: map[string]Handler{"echo": echo}, Hits: hits, now: clock.now,
	})
	return n, clock, hits
}

func (n *node) places(k class) int {
	n.gate.mu.Lock()
	defer n.gate.mu.Unlock()
	return len(n.gate.rooms[k].visits)
}

// served reports whether a peer gets a place and an answer.
func (r *rogue) served(t *testing.T, by *node) bool {
	t.Helper()
	if r.connect(t, by) != nil {
		return false
	}
	s, err := r.NewStream(within(t), by.lib.ID(), by.cfg.requestProtocol("echo"))
	if err != nil {
		return false
	}
	answer, err := exchangeFrames(s, []byte("x"), 1)
	return err == nil && string(answer) == "x"
}

func hasHit(hits *limits.Hits, limit, who string) bool {
	for _, h := range hits.All() {
		if h.Limit == limit && h.Who == who {
			return true
		}
	}
	return false
}

// TestIdleGuestsOfOneAddress has twenty silent hosts connect from one address: they get a quarter of the places, and a guest
// from elsewhere is served at once.
func TestIdleGuestsOfOneAddress(t *testing.T) {
	n, _, hits := fortress(t)
	for i := range 20 {
		_ = rogueAt(t, 100+i, "127.66.0.1").connect(t, n)
	}
	if got := n.places(guest); got != 2 {
		t.Errorf("%d places for one address, want a quarter of 8", got)
	}
	if !rogueAt(t, 50, "127.66.0.2").served(t, n) {
		t.Error("a guest from another address is not served")
	}
	if !hasHit(hits, limitPlaces, "127.66.0.1") {
		t.Errorf("nobody is told of the address: %+v", hits.All())
	}
}

// TestIdleGuestsOfManyAddresses has twenty silent hosts connect from as many addresses: a registered node is served at once,
// a new guest once they have been silent for seconds, and what is silent for long goes anyway.
func TestIdleGuestsOfManyAddresses(t *testing.T) {
	n, clock, _ := fortress(t)
	for i := range 20 {
		_ = rogueAt(t, 100+i, fmt.Sprintf("127.66.1.%d", 1+i)).connect(t, n)
	}
	if got := n.places(guest); got != 8 {
		t.Errorf("%d places taken, want 8", got)
	}
	cache := rogueAt(t, 50, "127.66.2.1")
	if err := n.Register("cache", Peer{ID: cache.ID().String()}); err != nil {
		t.Fatal(err)
	}
	if !cache.served(t, n) {
		t.Error("a registered node is kept out")
	}
	auditor := rogueAt(t, 51, "127.66.2.2")
	if auditor.served(t, n) {
		t.Error("a guest got a place of one that was not idle yet")
	}
	clock.advance(leastStay)
	eventually(t, "place for a new guest", func() bool { return auditor.served(t, n) })
	if got := n.places(guest); got != 8 {
		t.Errorf("%d places taken, want 8", got)
	}
	eventually(t, "end of the idle guests", func() bool {
		clock.advance(guestIdleTime) // a request ends a moment after its answer
		n.closeConns(n.gate.findIdleGuests()...)
		return n.places(guest) == 0 && n.net.Connectedness(auditor.ID()) != network.Connected && n.net.Connectedness(cache.ID()) == network.Connected
	})
}

// TestStalledHandshakes opens connections that say nothing, from one address and then from many: their number is bounded, and
// a registered node and a guest still come in.
func TestStalledHandshakes(t *testing.T) {
	n, clock, hits := fortress(t)
	listen := multiaddr.StringCast(n.Addrs()[0])
	port, err := listen.ValueForProtocol(multiaddr.P_TCP)
	if err != nil {
		t.Fatal(err)
	}
	ip, err := listen.ValueForProtocol(multiaddr.P_IP4)
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	stall := func(from string) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.DialContext(within(t), "tcp4", net.JoinHostPort(ip, port))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	count := func() int {
		n.gate.mu.Lock()
		defer n.gate.mu.Unlock()
		return len(n.gate.handshakes.open)
	}
	for range 2 * sourceHandshakes {
		stall("127.66.3.1")
	}
	eventually(t, "bound of an address", func() bool { return count() == sourceHandshakes && hasHit(hits, limitHandshakes, "127.66.3.1") })
	clock.advance(time.Second)
	for i := range 2 * maxHandshakes {
		stall(fmt.Sprintf("127.66.4.%d", 1+i%8))
	}
	eventually(t, "bound of all", func() bool { return count() == maxHandshakes })
	if !rogueAt(t, 50, "127.66.5.1").served(t, n) {
		t.Error("a guest does not come in")
	}
}

// TestGuestsAskOnlySoOften has a guest ask without a pause: it is refused, and may again a second later.
func TestGuestsAskOnlySoOften(t *testing.T) {
	n, clock, hits := fortress(t)
	r := rogueAt(t, 50, "127.66.6.1")
	for i := range 2 * guestRequestRate {
		if !r.served(t, n) {
			t.Fatalf("request %d of a burst is refused", i)
		}
	}
	if r.served(t, n) || !hasHit(hits, limitRate, "127.66.6.1") {
		t.Errorf("a request beyond the burst is served, or seen by nobody: %+v", hits.All())
	}
	clock.advance(time.Second)
	if !r.served(t, n) {
		t.Error("a second later it is refused still")
	}
}

// TestSilentStreamsOfGuestsAreBounded opens streams without a word: a guest has few.
func TestSilentStreamsOfGuestsAreBounded(t *testing.T) {
	n, _, _ := fortress(t)
	r := rogueAt(t, 50, "127.66.7.1")
	if !r.served(t, n) {
		t.Fatal("not served")
	}
	for range 4 * guestStreams {
		s, err := r.Network().NewStream(within(t), n.lib.ID())
		if err != nil {
			break
		}
		defer func() { _ = s.Reset() }()
	}
	held := 0
	for _, c := range n.net.ConnsToPeer(r.ID()) {
		held += len(c.GetStreams())
	}
	if held > guestStreams {
		t.Errorf("%d streams, want at most %d", held, guestStreams)
	}
}

// TestBusyGuestsShareByAddress fills a room with busy connections of one address: others take over what exceeds their share.
func TestBusyGuestsShareByAddress(t *testing.T) {
	type conn struct {
		network.Conn
		_ int // distinct addresses
	}
	now := time.Unix(1000, 0)
	r := newRoom(4, 2, 4)
	come := func(who peer.ID, from string) (*visit, bool) {
		return r.admitVisit(&visit{conn: &conn{}, peer: who, source: netip.MustParsePrefix(from), used: now, busy: 1}, now)
	}
	for i := range 4 {
		if leaver, ok := come(peer.ID(fmt.Sprint("a", i)), "10.0.0.1/32"); leaver != nil || !ok {
			t.Fatalf("place %d: %v, %v", i, leaver, ok)
		}
	}
	for i, want := range []bool{true, true, false} { // 4 of one address, then 3 and 1, then 2 and 2
		if leaver, ok := come(peer.ID(fmt.Sprint("b", i)), "10.0.0.2/32"); ok != want || ok && leaver.source.String() != "10.0.0.1/32" {
			t.Errorf("newcomer %d: %v, %v", i, leaver, ok)
		}
	}
	first := r.longestIdle(func(v *visit) bool { return v.peer == "b0" }, now)
	if _, ok := come("b0", "10.0.0.2/32"); !ok && first == nil {
		t.Error("lost its place")
	}
	if len(r.visits) != 4 {
		t.Errorf("%d places of 4", len(r.visits))
	}
}

// TestPeerReplacesItself opens more connections of one peer than it may have: its own longest idle one goes.
func TestPeerReplacesItself(t *testing.T) {
	type conn struct {
		network.Conn
		_ int
	}
	now := time.Unix(1000, 0)
	r := newRoom(8, 2, 8)
	old := &visit{conn: &conn{}, peer: "a", used: now}
	for i, v := range []*visit{old, {conn: &conn{}, peer: "a", used: now.Add(1)}, {conn: &conn{}, peer: "a", used: now.Add(2)}} {
		leaver, ok := r.admitVisit(v, now)
		if !ok || (i == 2) != (leaver == old) {
			t.Errorf("connection %d: %v leaves", i, leaver)
		}
	}
}

// TestPace spends a burst, waits for a part of it, and forgets sources beyond its memory.
func TestPace(t *testing.T) {
	p, now := newPace[int](2, 4), time.Unix(1000, 0)
	spend := func(source int) bool { return p.spendOne(source, 1, now) }
	for i := range 5 {
		if got := spend(1); got != (i < 4) {
			t.Errorf("spending %d: %v", i, got)
		}
	}
	if !spend(2) {
		t.Error("another source has its own burst")
	}
	now = now.Add(500 * time.Millisecond)
	if !spend(1) || spend(1) {
		t.Error("want one more after half a second, and no second one")
	}
	for i := range 2 * maxPaced {
		if !spend(10 + i) {
			t.Fatalf("source %d has no burst", i)
		}
	}
	if len(p.spent) > maxPaced {
		t.Errorf("%d sources remembered, want at most %d", len(p.spent), maxPaced)
	}
}
