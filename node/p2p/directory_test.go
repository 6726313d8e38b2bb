package p2p

import (
	"errors"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/remora-network/remora/node/p2p/p2ptest"
)

// strangers are two running hosts that are not configured with each other; the second serves echo to guests.
func strangers(t *testing.T) (asker, server *node, address []string) {
	t.Helper()
	addrs := []string{p2ptest.Multiaddr(t), p2ptest.Multiaddr(t)}
	asker = start(t, Config{Key: seed(0), Listen: addrs[:1], Namespace: "test"})
	server = start(t, Config{Key: seed(1), Listen: addrs[1:], Namespace: "test", Guests: 8, Serve: map[string]Handler{"echo": echo}})
	return asker, server, addrs[1:]
}

// spelling returns another spelling of a peer id.
func spelling(t *testing.T, id string) string {
	t.Helper()
	p, err := peer.Decode(id)
	if err != nil {
		t.Fatal(err)
	}
	other, err := peer.ToCid(p).StringOfBase('z')
	if err != nil {
		t.Fatal(err)
	}
	return other
}

func TestRegisteredPeerAnswersRequests(t *testing.T) {
	asker, server, address := strangers(t)
	ask := func() error {
		_, err := asker.Request(within(t), server.ID(), "echo", []byte("hello"), 5)
		return err
	}
	if err := ask(); !errors.Is(err, ErrUnknownPeer) {
		t.Fatalf("before the registration: %v", err)
	}
	if err := asker.Register("a", Peer{ID: server.ID(), Addrs: []string{p2ptest.Multiaddr(t)}}); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err == nil {
		t.Fatal("a peer answered from an address where nobody listens")
	}
	if err := asker.Register("a", Peer{ID: server.ID(), Addrs: slices.Concat([]string{"http://127.0.0.1"}, address)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "answer at the new address", func() bool { return ask() == nil })
	asker.Unregister("a")
	if err := ask(); !errors.Is(err, ErrUnknownPeer) {
		t.Errorf("after the registry dropped it: %v", err)
	}
}

// TestAliasReplacesNobody registers a peer under another spelling of its id, with an address where nobody listens: the peer is
// still reached, and stays registered when the alias goes.
func TestAliasReplacesNobody(t *testing.T) {
	asker, server, address := strangers(t)
	if err := asker.Register("victim", Peer{ID: server.ID(), Addrs: address}); err != nil {
		t.Fatal(err)
	}
	if err := asker.Register("thief", Peer{ID: spelling(t, server.ID()), Addrs: []string{p2ptest.Multiaddr(t)}}); err != nil {
		t.Fatal(err)
	}
	if n := len(asker.gate.directory.owners); n != 1 {
		t.Errorf("%d peers, want one of two spellings", n)
	}
	if _, err := asker.Request(within(t), server.ID(), "echo", []byte("hello"), 5); err != nil {
		t.Errorf("the victim is not reached: %v", err)
	}
	asker.Unregister("thief")
	if asker.gate.classOf(server.lib.ID()) != registered {
		t.Error("the alias took the registration with it")
	}
}

func TestRegisterRefuses(t *testing.T) {
	asker, server, address := strangers(t)
	if err := asker.Register("a", Peer{ID: server.ID(), Addrs: address}); err != nil {
		t.Fatal(err)
	}
	if err := asker.Register("a", Peer{ID: "nobody", Addrs: address}); err == nil || asker.gate.classOf(server.lib.ID()) != guest {
		t.Errorf("an owner whose peer id is none: %v, and its old peer stays", err)
	}
	if err := asker.Register("b", Peer{ID: asker.ID(), Addrs: address}); err != nil || len(asker.gate.directory.entries) != 0 {
		t.Errorf("of ourselves: %v", err)
	}
}

// TestOneOwnerHasOneEntry has an owner register two thousand peers, one after the other: one is known at a time.
func TestOneOwnerHasOneEntry(t *testing.T) {
	asker, _, address := strangers(t)
	for i := range 2000 {
		if err := asker.Register("a", Peer{ID: idOf(t, 100+i), Addrs: address}); err != nil {
			t.Fatal(err)
		}
	}
	d := &asker.gate.directory
	if len(d.entries) != 1 || len(d.owners) != 1 || len(d.sources) != 1 || len(asker.lib.Peerstore().PeersWithAddrs()) > 2 {
		t.Errorf("%d entries, %d peers, %d addresses; the library knows %d", len(d.entries), len(d.owners), len(d.sources),
			len(asker.lib.Peerstore().PeersWithAddrs()))
	}
}

// TestGuestMovesUp registers a guest that is connected: it has a place of registered nodes at once, and loses it again, without
// connecting anew.
func TestGuestMovesUp(t *testing.T) {
	_, server, _ := strangers(t)
	r := rogueSeed(t, 50)
	if err := r.connect(t, server); err != nil {
		t.Fatal(err)
	}
	count := func(k class) int {
		server.gate.mu.Lock()
		defer server.gate.mu.Unlock()
		return len(server.gate.rooms[k].visits)
	}
	eventually(t, "place of a guest", func() bool { return count(guest) == 1 })
	if err := server.Register("a", Peer{ID: r.ID().String()}); err != nil {
		t.Fatal(err)
	}
	if count(registered) != 1 || count(guest) != 0 {
		t.Errorf("%d places of registered nodes, %d of guests", count(registered), count(guest))
	}
	server.Unregister("a")
	if count(registered) != 0 || count(guest) != 1 || server.net.Connectedness(r.ID()) != network.Connected {
		t.Errorf("%d places of registered nodes, %d of guests", count(registered), count(guest))
	}
}
