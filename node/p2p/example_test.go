package p2p_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/remora-network/remora/node/p2p"
)

// Two hosts that know each other: one sends a frame, the other one answers it by a request.
func Example() {
	first, second := [32]byte{1}, [32]byte{2}
	firstID, _ := p2p.SeedPeerID(first)
	secondID, _ := p2p.SeedPeerID(second)
	up := make(chan string, 1)
	a, err := p2p.New(p2p.Config{
		Key: first, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Namespace: "example",
		Peers:    []p2p.Peer{{ID: secondID}}, // without an address: the peer dials
		Channels: []p2p.Channel{{Name: "news"}},
		Serve: map[string]p2p.Handler{"echo": func(_ context.Context, _ string, request []byte) ([]byte, error) {
			return request, nil
		}},
		Up: func(peer string) { up <- peer },
	})
	if err != nil {
		panic(err)
	}
	b, err := p2p.New(p2p.Config{
		Key: second, Namespace: "example",
		Peers:    []p2p.Peer{{ID: firstID, Addrs: a.Addrs()}},
		Channels: []p2p.Channel{{Name: "news"}},
	})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var hosts sync.WaitGroup
	hosts.Go(func() { _ = a.Run(ctx) })
	hosts.Go(func() { _ = b.Run(ctx) })

	fmt.Println("queued:", a.Send(<-up, "news", []byte("hello")))
	message := <-b.Receive("news")
	answer, err := b.Request(ctx, message.Peer, "echo", message.Payload, 1<<10)
	fmt.Println("answered:", string(answer), err)
	stop()
	hosts.Wait()
	// Output:
	// queued: true
	// answered: hello <nil>
}
