package attack

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/peers"
)

const (
	idleStrangers   = 80 // identities
	askingStrangers = 8
	longQuestions   = 4 // of each at a time
)

func strangerStages() map[string]stage {
	return map[string]stage{
		"stranger-guests": {crowd{size: idleStrangers}.prepare},
		"stranger-waits":  {crowd{size: askingStrangers, questions: longQuestions}.prepare},
	}
}

// crowd is a number of identities that nobody knows, connected to every target. They ask nothing, or keep questions open that
// the target answers as late as it may.
type crowd struct{ size, questions int }

func (c crowd) prepare(_ context.Context, o *Order) (func(context.Context) error, error) {
	genesis, err := home.ReadGenesis(o.Genesis)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		targets := make([]p2p.Peer, len(o.Targets))
		for i, t := range o.Targets {
			far, err := tcpAddress(t.P2P)
			if err != nil {
				return err
			}
			through, err := openTunnel(strangerHost, far)
			if err != nil {
				return err
			}
			near, err := multiaddress(through.listener.Addr().String())
			if err != nil {
				return err
			}
			targets[i] = p2p.Peer{ID: t.Peer, Addrs: []string{near}}
			group.Go(func() error { return through.run(ctx) })
		}
		for range c.size {
			host, err := p2p.New(p2p.Config{Key: randomSeed(), Namespace: genesis.Domain().String()[:16], Peers: targets})
			if err != nil {
				return err
			}
			group.Go(func() error { return host.Run(ctx) })
			for _, t := range targets {
				for range c.questions {
					group.Go(func() error { askForEver(ctx, host, t.ID); return nil })
				}
			}
		}
		return group.Wait()
	}, nil
}

// askForEver asks a node again and again for a block that will never be, and lets it wait with the answer.
func askForEver(ctx context.Context, host *p2p.Host, peer string) {
	question := remora.Encode(peers.RangeRequest{From: 1 << 40, Count: 1, Wait: 3000})
	for ctx.Err() == nil {
		if _, err := host.Request(ctx, peer, peers.ProtocolBlocks, question, peers.MaxAnswer); err != nil {
			devnet.Pause(ctx, 50*time.Millisecond)
		}
	}
}

// tcpAddress returns host and port of a multiaddr on IPv4.
func tcpAddress(multi string) (string, error) {
	parts := strings.Split(multi, "/")
	if len(parts) < 5 || parts[1] != "ip4" || parts[3] != "tcp" {
		return "", fmt.Errorf("%w: address %q, want /ip4/…/tcp/…", remora.ErrInvalid, multi)
	}
	return parts[2] + ":" + parts[4], nil
}

func multiaddress(hostport string) (string, error) {
	host, port, found := strings.Cut(hostport, ":")
	if !found {
		return "", fmt.Errorf("%w: address %q", remora.ErrInvalid, hostport)
	}
	return "/ip4/" + host + "/tcp/" + port, nil
}
