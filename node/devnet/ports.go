package devnet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"

	"github.com/remora-network/remora/node/port"
)

const loopback = "127.0.0.1"

// portsPerNode is the number of ports set aside for a node.
const portsPerNode = 10

// Free ports are chosen from this range. It is below the range that systems use for outgoing connections, so that a node's
// ports are still free when it restarts.
const (
	lowestPort  = 20_000
	highestPort = 32_000
)

// blockSize is the granularity of free ports. Blocks are taken whole, so that other devnets stay clear of the ports of
// nodes that are down.
const blockSize = 100

// assignPorts gives every node its ports, starting at base.
func assignPorts(nodes []*place, base int) error {
	if last := base + portsPerNode*len(nodes); base < 1 || last > 65_536 {
		return fmt.Errorf("%w: --port-base %d, %d nodes need ports up to 65535: at most %d",
			ErrUsage, base, len(nodes), 65_536-portsPerNode*len(nodes))
	}
	for i, p := range nodes {
		first := base + portsPerNode*i
		p.P2P, p.RPC, p.Metrics = first, first+1, first+2
		if p.Role == RoleGateway {
			p.Gateway = first + 3
		}
	}
	return nil
}

// block is a range of free ports. While this process listens on its last port, which no node gets, no other new devnet takes
// the block.
type block struct {
	first int
	claim net.Listener
}

func (b block) releaseClaim() error {
	if b.claim == nil {
		return nil
	}
	return b.claim.Close()
}

// findFreeBlock returns whole blocks of ports for n nodes on which no process listens.
func findFreeBlock(n int) (b block, err error) {
	size := (portsPerNode*n + blockSize - 1) / blockSize * blockSize
	for range 200 {
		first := lowestPort + blockSize*rand.IntN((highestPort-lowestPort-size)/blockSize+1)
		if b, err = claimBlock(first, size); err == nil {
			return b, nil
		}
	}
	return block{}, fmt.Errorf("%w: no %d consecutive free ports between %d and %d: %w", ErrPortTaken, size, lowestPort, highestPort, err)
}

func claimBlock(first, size int) (block, error) {
	last, err := listenLocally(first + size - 1)
	if err != nil {
		return block{}, err
	}
	for port := first; port < first+size-1; port++ {
		l, err := listenLocally(port)
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			return block{}, errors.Join(err, last.Close())
		}
	}
	return block{first, last}, nil
}

func listenLocally(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
}

// checkPorts returns an error for every port of the nodes on which another process listens. It checks loopback only.
func checkPorts(nodes []*place) error {
	var errs []error
	for _, n := range nodes {
		if n.hostOrLoopback() != loopback {
			continue
		}
		for _, number := range n.usedPorts() {
			l, err := listenLocally(number)
			switch {
			case err == nil:
				errs = append(errs, l.Close())
			case errors.Is(err, syscall.EADDRINUSE):
				errs = append(errs, fmt.Errorf("%w: %s needs port %d, which %s uses; stop that process, or choose another --port-base for a new --home",
					ErrPortTaken, n.Name, number, port.Holder(number)))
			default:
				errs = append(errs, fmt.Errorf("%w: %s cannot listen on port %d: %w", ErrPortTaken, n.Name, number, err))
			}
		}
	}
	return errors.Join(errs...)
}
