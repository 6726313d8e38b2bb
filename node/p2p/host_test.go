package p2p

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

func peerID(s string) peer.ID { return peer.ID(s) }

func TestAddressInUse(t *testing.T) {
	cfg := committee(t, 1)[0]
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	cfg.Key = seed(1)
	second, err := New(cfg)
	if !errors.Is(err, ErrAddressInUse) || !strings.Contains(err.Error(), cfg.Listen[0]) {
		t.Errorf("second host: %v, want address in use, naming %s", err, cfg.Listen[0])
	}
	if err == nil {
		defer second.Close()
	}
	cfg.Listen = []string{"/ip4/127.0.0.1/tcp/0", cfg.Listen[0]}
	if third, err := New(cfg); !errors.Is(err, ErrAddressInUse) {
		t.Errorf("one of two addresses in use: %v", err)
		defer third.Close()
	}
}

func TestRunsOnce(t *testing.T) {
	h, err := New(committee(t, 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.Run(context.Background()); !errors.Is(err, ErrAlreadyRun) {
		t.Errorf("Run after Close: %v", err)
	}
	n := start(t, committee(t, 1)[0])
	n.stop(t)
	if err := n.Run(context.Background()); !errors.Is(err, ErrAlreadyRun) {
		t.Errorf("second Run: %v", err)
	}
	if _, open := <-n.Receive("dag"); open {
		t.Error("a message after the end")
	}
	if err := n.Close(); err != nil {
		t.Errorf("Close after Run: %v", err)
	}
}

func TestNobodyConnectsBeforeRun(t *testing.T) {
	configs := committee(t, 2)
	h, err := New(configs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	r := rogueSeed(t, 1)
	waiting := &node{Host: h}
	if err := r.connect(t, waiting); err == nil {
		t.Error("connected to a host that does not run")
	}
}

func TestConfigIsChecked(t *testing.T) {
	cases := map[string]func(*Config){
		"no namespace":         func(c *Config) { c.Namespace = "" },
		"slash in namespace":   func(c *Config) { c.Namespace = "a/b" },
		"channel twice":        func(c *Config) { c.Channels = []Channel{{Name: "a"}, {Name: "a"}} },
		"channel without name": func(c *Config) { c.Channels = []Channel{{}} },
		"queue under a frame":  func(c *Config) { c.Channels = []Channel{{Name: "a", QueueBytes: 10}} },
		"frame limit":          func(c *Config) { c.Channels = []Channel{{Name: "a", MaxFrame: maxFrameCap + 1, QueueBytes: 1 << 30}} },
		"too many channels":    func(c *Config) { c.Channels = make([]Channel, maxChannels+1) },
		"nil handler":          func(c *Config) { c.Serve = map[string]Handler{"a": nil} },
		"negative guests":      func(c *Config) { c.Guests = -1 },
		"peer twice":           func(c *Config) { c.Peers = append(c.Peers, c.Peers[0]) },
		"bad peer id":          func(c *Config) { c.Peers[0].ID = "nobody" },
		"RSA peer id":          func(c *Config) { c.Peers[0].ID = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N" },
		"bad address":          func(c *Config) { c.Peers[0].Addrs = []string{"10.0.0.1:80"} },
		"another's address":    func(c *Config) { c.Peers[0].Addrs = []string{"/ip4/10.0.0.1/tcp/1/p2p/" + idOf(t, 7)} },
		"bad listen address":   func(c *Config) { c.Listen = []string{"everywhere"} },
	}
	for name, spoil := range cases {
		cfg := committee(t, 2)[0]
		spoil(&cfg)
		if h, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
			_ = h.Close()
		}
	}
	cfg := committee(t, 2)[0]
	cfg.Peers[0].Addrs = []string{"/ip4/10.0.0.1/tcp/1/p2p/" + cfg.Peers[0].ID, "/dns4/example.org/tcp/1"}
	h, err := New(cfg)
	if err != nil {
		t.Fatalf("a peer address with its own id: %v", err)
	}
	_ = h.Close()
}

func TestPeerIDIsThePublicKey(t *testing.T) {
	id := idOf(t, 3)
	decoded, err := decodePeerID(id)
	if err != nil {
		t.Fatal(err)
	}
	key, err := decoded.ExtractPublicKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Raw()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := PeerID([32]byte(public)); err != nil || back != id {
		t.Errorf("%s became %s, %v", id, back, err)
	}
	n := start(t, Config{Key: seed(3), Namespace: "test", Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	if n.ID() != id {
		t.Errorf("host is %s, want %s", n.ID(), id)
	}
	if addrs := n.Addrs(); len(addrs) != 1 || strings.HasSuffix(addrs[0], "/0") {
		t.Errorf("addresses %v, want one with a real port", addrs)
	}
	for _, bad := range []string{"", "x", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"} {
		if _, err := decodePeerID(bad); err == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
}
