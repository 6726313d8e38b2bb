package p2p

import (
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// greet opens a channel as a committee member and waits until it is accepted.
func (r *rogue) greet(t *testing.T, to *node, id protocol.ID) network.Stream {
	t.Helper()
	var s network.Stream
	eventually(t, "accepted stream", func() bool {
		s = r.open(t, to, id)
		var b [1]byte
		_, err := io.ReadFull(s, b[:])
		return err == nil && b[0] == hello
	})
	return s
}

func write(t *testing.T, s network.Stream, b []byte) {
	t.Helper()
	if _, err := s.Write(b); err != nil {
		t.Fatal(err)
	}
}

// besieged starts two honest nodes and a rogue with the third member's key, connected to the first.
func besieged(t *testing.T, timeout time.Duration) (honest []*node, r *rogue, cfg Config) {
	t.Helper()
	configs := committee(t, 3)
	configs[0].WriteTimeout = timeout
	honest = startAll(t, configs[:2])
	r = rogueSeed(t, 2)
	if err := r.connect(t, honest[0]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "honest connection", func() bool { return len(honest[1].Connected()) == 1 })
	return honest, r, configs[0]
}

func expectHonestTraffic(t *testing.T, honest []*node) {
	t.Helper()
	if !honest[1].Send(honest[0].ID(), "dag", numbered(42, 8)) {
		t.Fatal("honest frame refused")
	}
	if m := next(t, honest[0].Receive("dag")); number(m) != 42 || m.Peer != honest[1].ID() {
		t.Errorf("got %d from %s, want 42 from the honest peer", number(m), m.Peer)
	}
}

func TestBrokenFramingClosesTheStream(t *testing.T) {
	cases := map[string][]byte{
		"one over the limit": binary.BigEndian.AppendUint32(nil, 64<<10+1),
		"length 2^32-1":      {0xff, 0xff, 0xff, 0xff},
		"garbage":            []byte("GET / HTTP/1.1\r\n"),
		"empty frame":        {0, 0, 0, 0},
	}
	for name, bytes := range cases {
		t.Run(name, func(t *testing.T) {
			honest, r, cfg := besieged(t, DefaultWriteTimeout)
			s := r.greet(t, honest[0], cfg.channelProtocol("dag"))
			write(t, s, bytes)
			if !dead(s) {
				t.Error("the stream is still open")
			}
			eventually(t, "counted", func() bool { return honest[0].link(t, idOf(t, 2), "dag").Rejected == 1 })
			if s := r.open(t, honest[0], cfg.channelProtocol("dag")); !dead(s) {
				t.Error("a new stream is accepted at once")
			}
			expectHonestTraffic(t, honest)
			s = r.greet(t, honest[0], cfg.channelProtocol("dag")) // once the peer is heard again
			write(t, s, append([]byte{0, 0, 0, 8}, numbered(5, 8)...))
			if m := next(t, honest[0].Receive("dag")); number(m) != 5 {
				t.Errorf("got %d after the mute time, want 5", number(m))
			}
		})
	}
}

func TestSlowLorisLosesItsStream(t *testing.T) {
	cases := map[string][]byte{
		"half a length": {0, 0},
		"half a frame":  append([]byte{0, 0, 0x80, 0}, make([]byte, 100)...),
	}
	for name, bytes := range cases {
		t.Run(name, func(t *testing.T) {
			honest, r, cfg := besieged(t, 200*time.Millisecond)
			s := r.greet(t, honest[0], cfg.channelProtocol("dag"))
			write(t, s, bytes)
			if !dead(s) {
				t.Error("the stream is still open")
			}
			expectHonestTraffic(t, honest)
		})
	}
}

func TestSilentStreamStaysAndHarmsNobody(t *testing.T) {
	honest, r, cfg := besieged(t, 100*time.Millisecond)
	s := r.greet(t, honest[0], cfg.channelProtocol("dag"))
	if err := s.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if dead(s) {
		t.Error("a stream without traffic was closed")
	}
	expectHonestTraffic(t, honest)
}

func TestNewestStreamReplacesOlderOnes(t *testing.T) {
	honest, r, cfg := besieged(t, DefaultWriteTimeout)
	var old []network.Stream
	const streams = inboxFrames + receiveSlots + 10 // more than queue and Go channel hold while nothing consumes
	for i := range streams {
		s := r.greet(t, honest[0], cfg.channelProtocol("dag"))
		write(t, s, append([]byte{0, 0, 0, 8}, numbered(i, 8)...))
		eventually(t, "read frame", func() bool { return honest[0].link(t, idOf(t, 2), "dag").Received == uint64(i+1) })
		old = append(old, s)
	}
	last := old[streams-1]
	for i, s := range old[:streams-1] {
		if !dead(s) {
			t.Errorf("stream %d is still open", i)
		}
	}
	write(t, last, append([]byte{0, 0, 0, 8}, numbered(1000, 8)...))
	previous, got := -1, 0
	for previous != 1000 {
		m := next(t, honest[0].Receive("dag"))
		if number(m) <= previous {
			t.Fatalf("frame %d after %d", number(m), previous)
		}
		previous = number(m)
		got++
	}
	if most := inboxFrames + receiveSlots + 3; got > most {
		t.Errorf("%d frames were held, want at most %d", got, most)
	}
	expectHonestTraffic(t, honest)
}

func TestRestartedPeerReplacesItsDeadConnection(t *testing.T) {
	honest, before, cfg := besieged(t, DefaultWriteTimeout)
	before.greet(t, honest[0], cfg.channelProtocol("dag"))
	after := rogueSeed(t, 2) // the same key: to the honest node, the same peer after a power cut
	if err := after.connect(t, honest[0]); err != nil {
		t.Fatal(err)
	}
	if len(honest[0].net.ConnsToPeer(after.ID())) != 2 {
		t.Fatal("want two connections")
	}
	s := after.greet(t, honest[0], cfg.channelProtocol("dag"))
	eventually(t, "end of the old connection", func() bool {
		return len(before.Network().Conns()) == 0 && len(honest[0].net.ConnsToPeer(after.ID())) == 1
	})
	write(t, s, append([]byte{0, 0, 0, 8}, numbered(6, 8)...))
	if m := next(t, honest[0].Receive("dag")); number(m) != 6 {
		t.Errorf("got %d on the new connection, want 6", number(m))
	}
	expectHonestTraffic(t, honest)
}

func TestManyStreamsAreBounded(t *testing.T) {
	honest, r, cfg := besieged(t, DefaultWriteTimeout)
	refused := 0
	for range 2000 {
		s, err := r.NewStream(within(t), honest[0].lib.ID(), protocol.ID("/nothing/of/the/kind"))
		if err == nil {
			t.Fatalf("protocol accepted: %v", s)
		}
		refused++
	}
	if refused != 2000 {
		t.Errorf("%d streams refused, want 2000", refused)
	}
	expectHonestTraffic(t, honest)
	known, _, _ := resourceBudgets(cfg)
	var open []network.Stream
	for range 2 * int(known.StreamsInbound) {
		s, err := r.Network().NewStream(within(t), honest[0].lib.ID()) // no protocol is ever chosen
		if err != nil {
			break
		}
		open = append(open, s)
	}
	expectHonestTraffic(t, honest)
	held := 0
	for _, c := range honest[0].net.ConnsToPeer(r.ID()) {
		held += len(c.GetStreams())
	}
	if held > int(known.Streams) || len(open) < int(known.StreamsInbound) {
		t.Errorf("%d streams held of %d opened, want at most %d of more", held, len(open), known.Streams)
	}
	for _, s := range open {
		_ = s.Reset()
	}
}

func TestStrangers(t *testing.T) {
	configs := committee(t, 2)
	configs[0].Serve = map[string]Handler{"echo": echo}
	stranger := rogueSeed(t, 50)
	t.Run("none admitted", func(t *testing.T) {
		n := start(t, configs[0])
		eventually(t, "refusal", func() bool {
			return stranger.connect(t, n) != nil || len(n.net.ConnsToPeer(stranger.ID())) == 0
		})
	})
	t.Run("one admitted for requests only", func(t *testing.T) {
		configs[0].Guests = 1
		n := start(t, configs[0])
		eventually(t, "admission", func() bool { return stranger.connect(t, n) == nil && len(n.net.ConnsToPeer(stranger.ID())) == 1 })
		if s := stranger.open(t, n, configs[0].channelProtocol("dag")); !dead(s) {
			t.Error("a stranger's channel is accepted")
		}
		eventually(t, "counted", func() bool { return n.Stats().Refused == 1 })
		s := stranger.open(t, n, configs[0].requestProtocol("echo"))
		if answer, err := exchangeFrames(s, []byte("hello"), 100); err != nil || string(answer) != "hello" {
			t.Errorf("answer %q, %v", answer, err)
		}
		second := rogueSeed(t, 51)
		eventually(t, "refusal of the second", func() bool {
			return second.connect(t, n) != nil || len(n.net.ConnsToPeer(second.ID())) == 0
		})
		if err := stranger.Network().ClosePeer(n.lib.ID()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "place free again", func() bool { return second.connect(t, n) == nil && len(n.net.ConnsToPeer(second.ID())) == 1 })
	})
}

func TestOtherKeyTypesAreRefused(t *testing.T) {
	cfg := committee(t, 1)[0]
	cfg.Guests = 5
	n := start(t, cfg)
	key, _, err := crypto.GenerateKeyPair(crypto.Secp256k1, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := newRogue(t, key)
	eventually(t, "refusal", func() bool { return r.connect(t, n) != nil || len(n.net.ConnsToPeer(r.ID())) == 0 })
}
