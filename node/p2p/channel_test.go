package p2p

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

func numbered(i, size int) []byte {
	b := make([]byte, max(size, 8))
	binary.BigEndian.PutUint64(b, uint64(i))
	return b
}

func number(m Message) int { return int(binary.BigEndian.Uint64(m.Payload)) }

func TestMeshDeliversEverythingInOrder(t *testing.T) {
	const frames = 300
	nodes := startAll(t, committee(t, 4))
	eventually(t, "mesh", meshed(nodes...))
	for _, channel := range []string{"dag", "batch"} {
		for _, from := range nodes {
			for i := range frames {
				frame := numbered(i, 8+i*20)
				for _, to := range nodes {
					if to != from && !from.Send(to.ID(), channel, frame) {
						t.Fatalf("frame %d on %s refused", i, channel)
					}
				}
			}
		}
		for _, to := range nodes {
			seen := make(map[string]int)
			for range frames * (len(nodes) - 1) {
				m := next(t, to.Receive(channel))
				if m.Channel != channel || number(m) != seen[m.Peer] || len(m.Payload) != 8+number(m)*20 {
					t.Fatalf("from %s on %s: frame %d of %d bytes, want %d", m.Peer, m.Channel, number(m), len(m.Payload), seen[m.Peer])
				}
				seen[m.Peer]++
			}
			for _, from := range nodes {
				if from != to && seen[from.ID()] != frames {
					t.Errorf("%d frames from %s, want %d", seen[from.ID()], from.ID(), frames)
				}
			}
		}
	}
	l := nodes[0].link(t, nodes[1].ID(), "dag")
	if l.Sent != frames || l.Received != frames || l.Dropped != 0 || l.BytesSent != l.BytesReceived || l.BytesSent == 0 {
		t.Errorf("counters %+v, want %d frames each way", l, frames)
	}
}

func TestEightNodesOnOneAddress(t *testing.T) {
	began := time.Now()
	nodes := startAll(t, committee(t, 8))
	eventually(t, "mesh", meshed(nodes...))
	t.Logf("8 nodes meshed in %v, building included", time.Since(began))
}

func TestUpIsToldOfEveryPeer(t *testing.T) {
	configs := committee(t, 3)
	up := make(chan string, 16)
	configs[0].Up = func(peer string) { up <- peer }
	nodes := startAll(t, configs)
	seen := make(map[string]bool)
	for len(seen) < 2 {
		select {
		case id := <-up:
			seen[id] = true
		case <-time.After(patience):
			t.Fatalf("told of %d peers, want 2", len(seen))
		}
	}
	if !seen[nodes[1].ID()] || !seen[nodes[2].ID()] {
		t.Errorf("told of %v", seen)
	}
}

func TestReconnectAfterRestart(t *testing.T) {
	configs := committee(t, 2)
	for restarted := range configs { // one of them has the smaller id
		t.Run(fmt.Sprint("node ", restarted), func(t *testing.T) {
			other := start(t, configs[1-restarted])
			first := start(t, configs[restarted])
			eventually(t, "first connection", meshed(first, other))
			first.stop(t)
			eventually(t, "loss noticed", func() bool { return len(other.Connected()) == 0 })
			began := time.Now()
			second := start(t, configs[restarted])
			eventually(t, "second connection", meshed(second, other))
			t.Logf("connected %v after the restart", time.Since(began))
			if !other.Send(second.ID(), "dag", numbered(7, 8)) || !second.Send(other.ID(), "dag", numbered(8, 8)) {
				t.Fatal("frames refused after the restart")
			}
			if m := next(t, second.Receive("dag")); number(m) != 7 || m.Peer != other.ID() {
				t.Errorf("restarted node got %d from %s", number(m), m.Peer)
			}
			if m := next(t, other.Receive("dag")); number(m) != 8 || m.Peer != second.ID() {
				t.Errorf("other node got %d from %s", number(m), m.Peer)
			}
		})
	}
}

func TestDiallingGoesOnAfterFailures(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := committee(t, 2)[0]
	cfg.Peers[0].Addrs = []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", l.Addr().(*net.TCPAddr).Port)}
	start(t, cfg)
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for i := range 6 { // libp2p's own pace would need more than thirty seconds
		c, err := l.Accept()
		if err != nil {
			t.Fatalf("attempt %d: %v", i, err)
		}
		_ = c.Close()
	}
}

func TestSlowConsumerFillsOnlyTheSendersQueue(t *testing.T) {
	const size, offered = 100_000, 2000 // 200 MB
	configs := committee(t, 3)
	for i := range configs {
		configs[i].Channels[1].QueueFrames = 50
		configs[i].Channels[1].QueueBytes = 2 << 20
	}
	nodes := startAll(t, configs)
	eventually(t, "mesh", meshed(nodes...))
	fast, slow, third := nodes[0], nodes[1], nodes[2]
	frame := make([]byte, size)
	taken := 0
	for range offered {
		if fast.Send(slow.ID(), "batch", frame) {
			taken++
		}
	}
	// Nothing reads at slow, so the queue stays full once the window is full.
	full := func() bool { return fast.link(t, slow.ID(), "batch").QueuedBytes > 2<<20-size }
	eventually(t, "full queue", func() bool {
		for fast.Send(slow.ID(), "batch", frame) {
			taken++
		}
		return full()
	})
	l := fast.link(t, slow.ID(), "batch")
	if l.Dropped == 0 || l.QueuedBytes > 2<<20 || l.Queued > 50 {
		t.Errorf("%d dropped, %d frames and %d bytes queued; want drops, at most 50 and %d", l.Dropped, l.Queued, l.QueuedBytes, 2<<20)
	}
	// In flight: the last window, the frames that wait for their turn and for the consumer, and buffers.
	if held := l.BytesSent; held > lastWindow+DefaultMaxFrame+(receiveSlots+2)*size+(1<<20) {
		t.Errorf("%d bytes left the queue though nobody reads", held)
	}
	// Frames of another channel, and of another peer on the same channel, are still delivered.
	if !fast.Send(slow.ID(), "dag", numbered(1, 8)) || number(next(t, slow.Receive("dag"))) != 1 {
		t.Error("the urgent channel waits for the bulk channel")
	}
	if !third.Send(slow.ID(), "batch", numbered(2, 9)) {
		t.Error("a third peer's frame was refused")
	}
	eventually(t, "third peer's frame", func() bool { return slow.link(t, third.ID(), "batch").Received == 1 })
	got := 0
	for fromThird := false; !fromThird; {
		m := next(t, slow.Receive("batch"))
		if m.Peer == fast.ID() {
			got++
		}
		fromThird = m.Peer == third.ID()
	}
	if got > receiveSlots+4 { // the frames before it in the Go channel, one that waited longer, and slack for scheduling
		t.Errorf("the third peer waited for %d frames of the flooder, want at most %d", got, receiveSlots+4)
	}
	for ; got < taken; got++ {
		next(t, slow.Receive("batch"))
	}
	eventually(t, "empty queue", func() bool { return fast.link(t, slow.ID(), "batch").Queued == 0 })
}

func TestQueueOfAnAbsentPeerIsEmptied(t *testing.T) {
	configs := committee(t, 2)
	n := start(t, configs[0])
	if !n.Send(idOf(t, 1), "dag", numbered(1, 8)) {
		t.Fatal("a frame for a peer that has just gone is refused")
	}
	eventually(t, "empty queue", func() bool { return n.link(t, idOf(t, 1), "dag").Queued == 0 })
	if n.Send(idOf(t, 1), "dag", numbered(2, 8)) {
		t.Error("a frame for a peer long gone is queued")
	}
	if l := n.link(t, idOf(t, 1), "dag"); l.Dropped != 2 || l.Sent != 0 {
		t.Errorf("counters %+v, want 2 dropped", l)
	}
	other := start(t, configs[1])
	eventually(t, "connection", meshed(n, other))
	if !n.Send(other.ID(), "dag", numbered(3, 8)) || number(next(t, other.Receive("dag"))) != 3 {
		t.Error("no delivery after the peer came")
	}
}

func TestStalledPeerIsReset(t *testing.T) {
	configs := committee(t, 2)
	configs[0].WriteTimeout = 200 * time.Millisecond
	n := start(t, configs[0])
	r := rogueSeed(t, 1)
	streams := make(chan network.Stream, 64)
	r.SetStreamHandler(configs[0].channelProtocol("batch"), func(s network.Stream) {
		if _, err := s.Write([]byte{hello}); err == nil {
			streams <- s // and read nothing
		}
	})
	if err := r.connect(t, n); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, 1<<20)
	for i := range 2 {
		select {
		case s := <-streams:
			defer s.Reset()
		case <-time.After(patience):
			t.Fatalf("stream %d was not opened", i)
		}
		eventually(t, "taken frames", func() bool { return n.Send(idOf(t, 1), "batch", frame) })
	}
}

func TestSendRefusals(t *testing.T) {
	n := start(t, committee(t, 2)[0])
	cases := map[string]bool{
		"unknown peer":    n.Send(idOf(t, 9), "dag", numbered(1, 8)),
		"unknown channel": n.Send(idOf(t, 1), "gossip", numbered(1, 8)),
		"empty frame":     n.Send(idOf(t, 1), "dag", nil),
		"over the limit":  n.Send(idOf(t, 1), "dag", make([]byte, 64<<10+1)),
	}
	for name, sent := range cases {
		if sent {
			t.Errorf("%s: frame taken", name)
		}
	}
	if n.Receive("gossip") != nil {
		t.Error("an unknown channel has messages")
	}
}
