package devnet

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
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
		for _, port := range n.usedPorts() {
			l, err := listenLocally(port)
			switch {
			case err == nil:
				errs = append(errs, l.Close())
			case errors.Is(err, syscall.EADDRINUSE):
				errs = append(errs, fmt.Errorf("%w: %s needs port %d, which %s uses; stop that process, or choose another --port-base for a new --home",
					ErrPortTaken, n.Name, port, describeListener(port)))
			default:
				errs = append(errs, fmt.Errorf("%w: %s cannot listen on port %d: %w", ErrPortTaken, n.Name, port, err))
			}
		}
	}
	return errors.Join(errs...)
}

// describeListener names the process that listens on a port, if this user may see it.
func describeListener(port int) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for _, inode := range findListeners(table, port) {
			if pid, found := findSocketOwner(inode); found {
				return fmt.Sprintf("process %d (%s)", pid, strings.Join(processArguments(pid), " "))
			}
		}
	}
	return "another process"
}

// findListeners returns the inodes of the sockets in a table of /proc/net that listen on port.
func findListeners(table string, port int) []string {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	var inodes []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		const localAddress, state, inode = 1, 3, 9 // columns, see proc(5); state 0A is LISTEN
		fields := strings.Fields(lines.Text())
		if len(fields) > inode && strings.HasSuffix(fields[localAddress], suffix) && fields[state] == "0A" {
			inodes = append(inodes, fields[inode])
		}
	}
	return inodes
}

func findSocketOwner(inode string) (pid int, found bool) {
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, false
	}
	want := "socket:[" + inode + "]"
	i := slices.IndexFunc(fds, func(fd string) bool {
		target, err := os.Readlink(fd)
		return err == nil && target == want
	})
	if i < 0 {
		return 0, false
	}
	pid, err = strconv.Atoi(strings.Split(fds[i], "/")[2])
	return pid, err == nil
}
