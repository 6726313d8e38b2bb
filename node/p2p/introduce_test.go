package p2p

import (
	"errors"
	"testing"

	"github.com/multiformats/go-multiaddr"

	"github.com/remora-network/remora/node/p2p/p2ptest"
)

// strangers are two running hosts that are not configured with each other; the second serves echo to guests.
func strangers(t *testing.T) (asker, server *node, address []string) {
	t.Helper()
	addrs := []string{p2ptest.Multiaddr(t), p2ptest.Multiaddr(t)}
	asker = start(t, Config{Key: seed(0), Listen: addrs[:1], Namespace: "test"})
	server = start(t, Config{Key: seed(1), Listen: addrs[1:], Namespace: "test", Guests: 2, Serve: map[string]Handler{"echo": echo}})
	return asker, server, addrs[1:]
}

func TestIntroducedPeerAnswersRequests(t *testing.T) {
	asker, server, address := strangers(t)
	ask := func() error {
		_, err := asker.Request(within(t), server.ID(), "echo", []byte("hello"), 5)
		return err
	}
	if err := ask(); !errors.Is(err, ErrUnknownPeer) {
		t.Fatalf("before the introduction: %v", err)
	}
	if err := asker.Introduce(Peer{ID: server.ID(), Addrs: []string{p2ptest.Multiaddr(t)}}); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err == nil {
		t.Fatal("a peer answered from an address where nobody listens")
	}
	if err := asker.Introduce(Peer{ID: server.ID(), Addrs: address}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "answer at the new address", func() bool { return ask() == nil })
}

func TestIntroduceRefuses(t *testing.T) {
	asker, server, address := strangers(t)
	for name, p := range map[string]Peer{
		"bad id":      {ID: "nobody", Addrs: address},
		"bad address": {ID: server.ID(), Addrs: []string{"http://127.0.0.1"}},
	} {
		if err := asker.Introduce(p); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := asker.Introduce(Peer{ID: asker.ID(), Addrs: address}); err != nil {
		t.Errorf("of ourselves: %v", err)
	}
}

func TestIntroducedAreBounded(t *testing.T) {
	g := newGater(nil, 0)
	for i := range maxPeers {
		id, err := decodePeerID(idOf(t, i))
		if err != nil {
			t.Fatal(err)
		}
		if !g.introducePeer(id, []multiaddr.Multiaddr{}) {
			t.Fatalf("no room for peer %d", i)
		}
	}
	first, err := decodePeerID(idOf(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	last, err := decodePeerID(idOf(t, maxPeers))
	if err != nil {
		t.Fatal(err)
	}
	if g.introducePeer(last, nil) || !g.introducePeer(first, nil) {
		t.Error("want no room for another peer, and room for a known one")
	}
}
