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

// portsPerNode is the distance between the first ports of two nodes.
const portsPerNode = 10

// Free ports are chosen here: below the range from which systems take ports for outgoing connections, so that a node
// finds its ports free again after a restart.
const (
	lowestPort  = 20_000
	highestPort = 32_000
)

// blockSize is how many ports a devnet takes at least. Blocks start at its multiples and are taken whole, so that a
// devnet whose nodes are partly down still keeps others away.
const blockSize = 100

// assign gives every node its ports, from base upwards.
func assign(nodes []place, base int) error {
	if last := base + portsPerNode*len(nodes); base < 1 || last > 65_536 {
		return fmt.Errorf("%w: --port-base %d, %d nodes need ports up to 65535: at most %d",
			ErrUsage, base, len(nodes), 65_536-portsPerNode*len(nodes))
	}
	for i := range nodes {
		first := base + portsPerNode*i
		nodes[i].P2P, nodes[i].RPC, nodes[i].Metrics = first, first+1, first+2
		if nodes[i].Role == RoleGateway {
			nodes[i].Gateway = first + 3
		}
	}
	return nil
}

// block is a row of free ports. Until it is released, its last port, which no node gets, keeps it from other devnets that
// are just being made.
type block struct {
	first int
	claim net.Listener
}

func (b block) release() error {
	if b.claim == nil {
		return nil
	}
	return b.claim.Close()
}

// freeBlock finds ports for n nodes, rounded up to whole blocks, that nobody listens on.
func freeBlock(n int) (b block, err error) {
	size := (portsPerNode*n + blockSize - 1) / blockSize * blockSize
	for range 200 {
		first := lowestPort + blockSize*rand.IntN((highestPort-lowestPort-size)/blockSize+1)
		if b, err = claim(first, size); err == nil {
			return b, nil
		}
	}
	return block{}, fmt.Errorf("%w: no %d free ports in a row between %d and %d: %w", ErrPortTaken, size, lowestPort, highestPort, err)
}

func claim(first, size int) (block, error) {
	last, err := listen(first + size - 1)
	if err != nil {
		return block{}, err
	}
	for port := first; port < first+size-1; port++ {
		l, err := listen(port)
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			return block{}, errors.Join(err, last.Close())
		}
	}
	return block{first, last}, nil
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
}

// checkPorts reports every port of the nodes that another process listens on, with that process. It cannot look at other
// hosts than loopback.
func checkPorts(nodes []*place) error {
	var errs []error
	for _, n := range nodes {
		if n.host() != loopback {
			continue
		}
		for _, port := range n.ports() {
			l, err := listen(port)
			switch {
			case err == nil:
				errs = append(errs, l.Close())
			case errors.Is(err, syscall.EADDRINUSE):
				errs = append(errs, fmt.Errorf("%w: %s needs port %d, which %s uses; stop that process, or choose another --port-base for a new --home",
					ErrPortTaken, n.Name, port, listener(port)))
			default:
				errs = append(errs, fmt.Errorf("%w: %s cannot listen on port %d: %w", ErrPortTaken, n.Name, port, err))
			}
		}
	}
	return errors.Join(errs...)
}

// listener names the process that listens on a port, as far as this user may see it.
func listener(port int) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for _, inode := range listeningInodes(table, port) {
			if pid, found := socketOwner(inode); found {
				return fmt.Sprintf("process %d (%s)", pid, strings.Join(arguments(pid), " "))
			}
		}
	}
	return "another process"
}

// listeningInodes returns the sockets of a table in /proc/net that listen on port.
func listeningInodes(table string, port int) []string {
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

func socketOwner(inode string) (pid int, found bool) {
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
