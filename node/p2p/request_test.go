package p2p

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

func echo(_ context.Context, _ string, request []byte) ([]byte, error) { return request, nil }

// pair starts a client and a server of the given protocols.
func pair(t *testing.T, serve map[string]Handler, adjust func(*Config)) (asker, server *node) {
	t.Helper()
	configs := committee(t, 2)
	configs[1].Serve = serve
	if adjust != nil {
		adjust(&configs[1])
	}
	nodes := startAll(t, configs)
	eventually(t, "mesh", meshed(nodes...))
	return nodes[0], nodes[1]
}

func TestRequests(t *testing.T) {
	asker, server := pair(t, map[string]Handler{
		"echo": echo,
		"who":  func(_ context.Context, peer string, _ []byte) ([]byte, error) { return []byte(peer), nil },
		"fail": func(context.Context, string, []byte) ([]byte, error) {
			return nil, errors.New(strings.Repeat("no ", 200))
		},
		"none": func(context.Context, string, []byte) ([]byte, error) { return nil, ErrNotFound },
		"odd": func(context.Context, string, []byte) ([]byte, error) {
			return nil, &RemoteError{Code: 77, Message: "\xff\n"}
		},
		"bang": func(context.Context, string, []byte) ([]byte, error) { panic("at the peer's wish") },
		"vast": func(context.Context, string, []byte) ([]byte, error) { return make([]byte, 5<<20), nil },
	}, nil)
	ask := func(protocol string, request []byte, limit int) ([]byte, error) {
		return asker.Request(within(t), server.ID(), protocol, request, limit)
	}
	for _, size := range []int{0, 1, 1000, DefaultMaxRequest} {
		request := bytes.Repeat([]byte{7}, size)
		if answer, err := ask("echo", request, size); err != nil || !bytes.Equal(answer, request) {
			t.Errorf("echo of %d bytes: %d bytes, %v", size, len(answer), err)
		}
	}
	if answer, err := ask("who", nil, 100); err != nil || string(answer) != asker.ID() {
		t.Errorf("the server sees %q, %v; want the asker's id", answer, err)
	}
	if answer, err := ask("vast", nil, 5<<20); err != nil || len(answer) != 5<<20 {
		t.Errorf("vast: %d bytes, %v", len(answer), err)
	}
	if _, err := ask("vast", nil, 5<<20-1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("an answer over the limit: %v", err)
	}
	if _, err := ask("none", nil, 10); !errors.Is(err, ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	for protocol, code := range map[string]Code{"fail": CodeFailed, "odd": 77, "bang": CodeFailed} {
		_, err := ask(protocol, nil, 10)
		remote, ok := errors.AsType[*RemoteError](err)
		if !ok || remote.Code != code || len(remote.Message) > maxErrorMessage || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want code %s", protocol, err, code)
		}
	}
	if _, err := ask("echo", make([]byte, DefaultMaxRequest+1), 1<<20); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a request over the limit: %v", err)
	}
	if _, err := ask("missing", nil, 10); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a protocol that is not served: %v", err)
	}
	if _, err := asker.Request(within(t), idOf(t, 9), "echo", nil, 10); !errors.Is(err, ErrUnknownPeer) {
		t.Errorf("an unknown peer: %v", err)
	}
	server.stop(t)
	eventually(t, "loss noticed", func() bool { return len(asker.Connected()) == 0 })
	if _, err := ask("echo", nil, 10); err == nil {
		t.Error("an absent peer answered")
	}
}

func TestRequestLimitPerPeer(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	free := func() { once.Do(func() { close(release) }) }
	entered := make(chan struct{}, 16)
	asker, server := pair(t, map[string]Handler{"wait": func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		entered <- struct{}{}
		select {
		case <-release:
			return []byte("done"), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}, func(c *Config) { c.PeerRequests = 2 })
	defer free()
	results := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := asker.Request(within(t), server.ID(), "wait", nil, 10)
			results <- err
		}()
	}
	for range 2 {
		select {
		case <-entered:
		case <-time.After(patience):
			t.Fatal("a request was not served")
		}
	}
	if _, err := asker.Request(within(t), server.ID(), "wait", nil, 10); !errors.Is(err, ErrBusy) {
		t.Errorf("third request: %v, want busy", err)
	}
	free()
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("held request: %v", err)
		}
	}
	eventually(t, "free slot", func() bool {
		_, err := asker.Request(within(t), server.ID(), "wait", nil, 10)
		return err == nil
	})
	if st := server.Stats(); st.Served < 3 || st.Failed < 1 {
		t.Errorf("counters %+v", st)
	}
}

// TestSlotsAreOfAClass fills the slots of one class: those of the others are free.
func TestSlotsAreOfAClass(t *testing.T) {
	s := newRequestSlots(Config{Peers: make([]Peer, 1), PeerRequests: 2, TotalRequests: 3, GuestRequests: 4})
	here, there := netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("127.0.0.2/32")
	for i, step := range []struct {
		by   claimant
		want bool
	}{
		{claimant{guest, "g", here}, true},
		{claimant{guest, "h", here}, true},
		{claimant{guest, "i", here}, false}, // half of the guests' slots
		{claimant{guest, "g", there}, true},
		{claimant{guest, "g", there}, false}, // its own limit
		{claimant{guest, "j", there}, true},
		{claimant{guest, "k", netip.Prefix{}}, false}, // all of the guests' slots
		{claimant{registered, "a", here}, true},
		{claimant{registered, "a", here}, false}, // no more than half for one node
		{claimant{registered, "b", here}, true},
		{claimant{registered, "c", here}, true},
		{claimant{registered, "d", here}, false},
		{claimant{member, "m", here}, true},
		{claimant{member, "m", here}, true},
		{claimant{member, "m", here}, false},
	} {
		if got := s.takeSlot(step.by); got != step.want {
			t.Errorf("step %d: %v got %v", i, step.by, got)
		}
	}
	for _, by := range []claimant{{guest, "g", here}, {guest, "h", here}, {guest, "g", there}, {guest, "j", there}} {
		s.releaseSlot(by)
	}
	if p := s.running[guest]; p.used != 0 || len(p.byPeer) != 0 || len(p.bySource) != 0 {
		t.Errorf("left of the guests' slots: %+v", p)
	}
}

// TestWaitingQuestionsHoldNoSlot has a peer with one slot ask questions that wait: it is still served, a third question does not
// wait, and those that waited are answered.
func TestWaitingQuestionsHoldNoSlot(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{}, 2)
	asker, server := pair(t, map[string]Handler{
		"echo": echo,
		"wait": func(ctx context.Context, _ string, request []byte) ([]byte, error) {
			return request, Await(ctx, func() error {
				entered <- struct{}{}
				select {
				case <-release:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		},
	}, func(c *Config) { c.PeerRequests = 1 })
	results := make(chan error, peerWaits)
	for range peerWaits {
		go func() {
			_, err := asker.Request(within(t), server.ID(), "wait", []byte("x"), 1)
			results <- err
		}()
		select {
		case <-entered:
		case err := <-results:
			t.Fatalf("a question that waits: %v", err)
		}
	}
	if _, err := asker.Request(within(t), server.ID(), "echo", []byte("x"), 1); err != nil {
		t.Errorf("while questions wait: %v", err)
	}
	if _, err := asker.Request(within(t), server.ID(), "wait", nil, 1); !errors.Is(err, ErrBusy) {
		t.Errorf("one question too many: %v", err)
	}
	close(release)
	for range peerWaits {
		if err := <-results; err != nil {
			t.Errorf("a question that waited: %v", err)
		}
	}
	eventually(t, "all free", func() bool {
		server.requests.mu.Lock()
		defer server.requests.mu.Unlock()
		return server.requests.running[member].used == 0 && server.requests.waiting[member].used == 0
	})
}

// TestWaiterWithoutASlotEnds ends the context of a question that has waited and finds every slot taken: it leaves nothing behind.
func TestWaiterWithoutASlotEnds(t *testing.T) {
	s := newRequestSlots(Config{PeerRequests: 1, TotalRequests: 1, GuestRequests: 1})
	by, other := claimant{class: registered, peer: "a"}, claimant{class: registered, peer: "b"}
	if !s.takeSlot(by) || !s.beginWait(by) || !s.takeSlot(other) {
		t.Fatal("want a slot, a wait, and the slot for another")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if s.endWait(ctx, by) {
		t.Error("a second slot of one")
	}
	if s.waiting[registered].used != 0 || s.running[registered].used != 1 {
		t.Errorf("%d wait and %d run", s.waiting[registered].used, s.running[registered].used)
	}
}

func TestSilentServerTimesOut(t *testing.T) {
	configs := committee(t, 2)
	configs[0].RequestTimeout = 150 * time.Millisecond
	n := start(t, configs[0])
	r := rogueSeed(t, 1)
	end := make(chan struct{})
	defer close(end)
	r.SetStreamHandler(configs[0].requestProtocol("mute"), func(s network.Stream) {
		<-end
		_ = s.Reset()
	})
	if err := r.connect(t, n); err != nil {
		t.Fatal(err)
	}
	eventually(t, "connection", func() bool { return len(n.net.ConnsToPeer(r.ID())) > 0 })
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := n.Request(ctx, r.ID().String(), "mute", []byte("?"), 10); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a deadline: %v", err)
	}
	if _, err := n.Request(context.Background(), r.ID().String(), "mute", []byte("?"), 10); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a deadline: %v", err)
	}
	canceled, stop := context.WithCancel(context.Background())
	stop()
	if _, err := n.Request(canceled, r.ID().String(), "mute", nil, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	for _, c := range n.net.ConnsToPeer(r.ID()) {
		for _, s := range c.GetStreams() {
			if s.Protocol() == configs[0].requestProtocol("mute") {
				t.Errorf("stream %s outlives its request", s.ID())
			}
		}
	}
}

func TestSilentRequesterLosesItsSlot(t *testing.T) {
	configs := committee(t, 2)
	configs[0].Serve = map[string]Handler{"echo": echo}
	configs[0].RequestTimeout = 100 * time.Millisecond
	configs[0].PeerRequests = 1
	n := start(t, configs[0])
	r := rogueSeed(t, 1)
	if err := r.connect(t, n); err != nil {
		t.Fatal(err)
	}
	s := r.open(t, n, configs[0].requestProtocol("echo"))
	write(t, s, []byte{0, 0})
	if !dead(s) {
		t.Error("the stream is still open")
	}
	eventually(t, "free slot", func() bool {
		answer, err := exchangeFrames(r.open(t, n, configs[0].requestProtocol("echo")), []byte("x"), 10)
		return err == nil && string(answer) == "x"
	})
}

func TestMalformedAnswers(t *testing.T) {
	cases := map[string][]byte{
		"no status":     {0, 0, 0, 0, 0},
		"huge length":   {0xff, 0xff, 0xff, 0xff, 0},
		"huge error":    {0, 1, 0, 0, byte(CodeFailed)},
		"cut in header": {0, 0},
		"cut in body":   {0, 0, 0, 9, 0, 1, 2},
	}
	for name, answer := range cases {
		if got, err := readAnswer(bytes.NewReader(answer), 100); err == nil {
			t.Errorf("%s: accepted as %v", name, got)
		}
	}
}
