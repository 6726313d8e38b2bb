// Package devnet runs a whole chain on one machine: real processes, sockets on loopback and disks. Up creates the chain
// that a Spec describes and starts its nodes, or resumes an existing one; Start, Stop and Kill act on one node; Down stops
// all. The nodes outlive the process that started them.
package devnet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/remora-network/remora/node/home"
)

// Errors to branch on with errors.Is.
var (
	ErrUsage       = errors.New("invalid devnet")
	ErrNoDevnet    = errors.New("no devnet here")
	ErrUnknownNode = errors.New("no node of that name")
	ErrPortTaken   = errors.New("port is taken")
	ErrNotReady    = errors.New("a node did not become ready")
	ErrNotStopped  = errors.New("a node did not stop")
)

// The roles of nodes: a validator orders and executes, a cache keeps content and is paid for delivering it, a gateway
// serves it to web clients.
const (
	RoleValidator = "validator"
	RoleCache     = "cache"
	RoleGateway   = "gateway"
)

// defaultValidators is the smallest number that tolerates a failure.
const defaultValidators = 4

// MaxValidators bounds a devnet on one machine.
const MaxValidators = 64

// readyWait bounds the time in which nodes become ready.
const readyWait = 60 * time.Second

// lockWait bounds the wait for another command to finish. It is a little longer than the longest command.
const lockWait = readyWait + 30*time.Second

// Spec describes a devnet. To resume one, only Home is needed.
type Spec struct {
	Home       string
	Validators int               // 0: 4, or those of the existing chain
	Caches     int               // 0: none, or those of the existing chain
	Gateways   int               // the same
	PortBase   int               // 0: free ports
	Epoch      time.Duration     // of a new chain; 0: 15 s
	For        time.Duration     // 0: until stopped
	Config     map[string]string // settings of every node of a new chain, by key
	Hosts      []string          // IPv4 address of each node of a new chain, if Binary uses it; nil: loopback for all
	Binary     string            // empty: this program
}

// Devnet is a devnet's directory. Several processes may use it: changes take a lock.
type Devnet struct {
	dir    string
	binary string
	topo   *topology
	own    map[string]*process // started by this process, by name
	ports  block               // chosen by this process, claimed until its nodes listen
}

// Status is the nodes and accounts of a devnet.
type Status struct {
	ChainID  string          `json:"chain_id"`
	Home     string          `json:"home"`
	Genesis  string          `json:"genesis"` // file
	Nodes    []NodeStatus    `json:"nodes"`
	Accounts []AccountStatus `json:"accounts"`
}

// NodeStatus is a node of a devnet.
type NodeStatus struct {
	Name    string `json:"name"`
	Role    string `json:"role"`
	Pid     int    `json:"pid"` // 0: not running
	Running bool   `json:"running"`
	Home    string `json:"home"`
	RPC     string `json:"rpc"`
	Gateway string `json:"gateway"` // empty: none
	Metrics string `json:"metrics"`
	Log     string `json:"log"` // file
}

// AccountStatus is a funded account.
type AccountStatus struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Key     string `json:"key"` // file, without password
}

// Up creates a devnet in Home or resumes the existing one, and returns when every node is ready. On failure it stops the
// nodes that it started.
func Up(ctx context.Context, s Spec) (*Devnet, error) {
	if s.Epoch == 0 {
		s.Epoch = 15 * time.Second
	}
	if s.Home != "" {
		if err := os.MkdirAll(s.Home, 0o700); err != nil {
			return nil, fmt.Errorf("%w: %w; choose another --home", ErrNoDevnet, err)
		}
	}
	d, err := resolveDir(s.Home, s.Binary)
	if err != nil {
		return nil, err
	}
	err = d.withLock(ctx, func() error {
		if err := d.prepareChain(&s); err != nil {
			return err
		}
		if err := d.startIdle(ctx); err != nil {
			return errors.Join(err, d.killOwn())
		}
		return nil
	})
	return d, errors.Join(err, d.ports.releaseClaim())
}

// Open opens the existing devnet in dir.
func Open(dir string) (*Devnet, error) {
	d, err := resolveDir(dir, "")
	if err != nil {
		return nil, err
	}
	if d.topo, err = loadTopology(d.dir); err != nil {
		return nil, err
	}
	if d.topo == nil {
		return nil, fmt.Errorf("%w: %q; start one with remora devnet up --home %q", ErrNoDevnet, d.dir, d.dir)
	}
	return d, nil
}

func resolveDir(dir, binary string) (*Devnet, error) {
	if dir == "" {
		return nil, fmt.Errorf("%w: name its directory with --home", ErrUsage)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDevnet, err)
	}
	if resolved, err := filepath.EvalSymlinks(abs); err == nil {
		abs = resolved // findProcess compares paths: the directory needs one name
	}
	if binary == "" {
		if binary, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
	}
	return &Devnet{dir: abs, binary: binary, own: map[string]*process{}}, nil
}

// withLock runs change under the lock, which it waits for.
func (d *Devnet) withLock(ctx context.Context, change func() error) error {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	var lock *home.Lock
	for lock == nil {
		var err error
		lock, err = home.LockFile(filepath.Join(d.dir, lockFile))
		if err != nil && (ctx.Err() != nil || !errors.Is(err, home.ErrLocked)) {
			return err
		}
	}
	return errors.Join(change(), lock.Release())
}

// prepareChain creates the chain, or checks that the existing one matches the spec.
func (d *Devnet) prepareChain(s *Spec) error {
	t, err := loadTopology(d.dir)
	if err != nil {
		return err
	}
	if t == nil {
		if t, err = d.foundChain(s); err != nil {
			return err
		}
	}
	if err := s.checkCounts(t, d.dir); err != nil {
		return err
	}
	if s.PortBase != 0 && s.PortBase != t.Nodes[0].P2P {
		return fmt.Errorf("%w: the nodes of %q keep their ports (from %d); leave out --port-base",
			ErrUsage, d.dir, t.Nodes[0].P2P)
	}
	t.Deadline = time.Time{}
	if s.For > 0 {
		t.Deadline = time.Now().Add(s.For)
	}
	d.topo = t
	return t.saveTopology(d.dir)
}

// foundChain creates a chain, on the ports of the spec or on a free block.
func (d *Devnet) foundChain(s *Spec) (t *topology, err error) {
	if s.Validators == 0 {
		s.Validators = defaultValidators
	}
	if s.Validators < 1 || s.Validators > MaxValidators {
		return nil, fmt.Errorf("%w: %d validators, want 1 to %d", ErrUsage, s.Validators, MaxValidators)
	}
	if s.Caches < 0 || s.Gateways < 0 || s.Caches+s.Gateways > MaxValidators {
		return nil, fmt.Errorf("%w: %d caches and %d gateways, want 0 to %d together", ErrUsage, s.Caches, s.Gateways, MaxValidators)
	}
	if s.PortBase == 0 {
		if d.ports, err = findFreeBlock(s.Validators + s.Caches + s.Gateways); err != nil {
			return nil, err
		}
		s.PortBase = d.ports.first
	}
	return createChain(d.dir, s)
}

type roleCount struct {
	role string
	n    int
}

func (s *Spec) roleCounts() []roleCount {
	return []roleCount{{RoleValidator, s.Validators}, {RoleCache, s.Caches}, {RoleGateway, s.Gateways}}
}

// checkCounts refuses a spec whose numbers of nodes differ from those of the existing chain. 0 stands for any number.
func (s *Spec) checkCounts(t *topology, dir string) error {
	for _, want := range s.roleCounts() {
		if n := t.countRole(want.role); want.n != 0 && want.n != n {
			return fmt.Errorf("%w: %q has %d nodes of role %s, not %d; use the same numbers to resume it, or choose another --home",
				ErrUsage, dir, n, want.role, want.n)
		}
	}
	return nil
}

// startIdle starts every stopped node and waits until all nodes are ready.
func (d *Devnet) startIdle(ctx context.Context) error {
	var idle []*place
	for _, p := range d.topo.Nodes {
		pid, err := findProcess(d.homeDir(p))
		if err != nil {
			return err
		}
		if pid == 0 {
			idle = append(idle, p)
		}
	}
	if err := checkPorts(idle); err != nil {
		return err
	}
	for _, p := range idle {
		if err := d.startNode(p); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	for _, p := range d.topo.Nodes {
		if err := d.awaitAnswer(ctx, p, "/readyz"); err != nil {
			return err
		}
	}
	return nil
}

// killOwn kills the nodes that this process started.
func (d *Devnet) killOwn() error {
	var errs []error
	for name, p := range d.own {
		select {
		case <-p.ended:
			continue
		default:
		}
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, fmt.Errorf("stop %s: %w", name, err))
			continue
		}
		<-p.ended
	}
	return errors.Join(errs...)
}

func (d *Devnet) startNode(p *place) error {
	var flags []string
	if !d.topo.Deadline.IsZero() {
		left := time.Until(d.topo.Deadline)
		if left <= 0 {
			return fmt.Errorf("%w: this devnet has reached its time limit; resume it with remora devnet up --home %q", ErrUsage, d.dir)
		}
		flags = []string{"--for", left.String()}
	}
	proc, err := startProcess(d.binary, d.homeDir(p), flags...)
	if err != nil {
		return err
	}
	d.own[p.Name] = proc
	return nil
}

// Start starts a node, unless it runs, and returns when it answers. The other nodes may be down.
func (d *Devnet) Start(ctx context.Context, name string) error {
	p, err := d.topo.findNode(name)
	if err != nil {
		return err
	}
	return d.withLock(ctx, func() error {
		pid, err := findProcess(d.homeDir(p))
		if err != nil {
			return err
		}
		if pid == 0 {
			if err := checkPorts([]*place{p}); err != nil {
				return err
			}
			if err := d.startNode(p); err != nil {
				return err
			}
		}
		ctx, cancel := context.WithTimeout(ctx, readyWait)
		defer cancel()
		return d.awaitAnswer(ctx, p, "/livez")
	})
}

// Stop stops a node gracefully.
func (d *Devnet) Stop(ctx context.Context, name string) error {
	return d.endNode(ctx, name, syscall.SIGTERM)
}

// Kill kills a node, as a crash would, and returns when its process has ended.
func (d *Devnet) Kill(ctx context.Context, name string) error {
	return d.endNode(ctx, name, syscall.SIGKILL)
}

func (d *Devnet) endNode(ctx context.Context, name string, s syscall.Signal) error {
	p, err := d.topo.findNode(name)
	if err != nil {
		return err
	}
	return d.withLock(ctx, func() error {
		if err := signalProcess(d.homeDir(p), s); err != nil {
			return err
		}
		if err := awaitStop(ctx, d.homeDir(p)); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrNotStopped, name, err)
		}
		return nil
	})
}

// Down stops every node gracefully, and kills those that do not stop in time.
func (d *Devnet) Down(ctx context.Context) error {
	return d.withLock(ctx, func() error {
		var errs []error
		for _, p := range d.topo.Nodes {
			errs = append(errs, signalProcess(d.homeDir(p), syscall.SIGTERM))
		}
		for _, p := range d.topo.Nodes {
			if awaitStop(ctx, d.homeDir(p)) == nil {
				continue
			}
			errs = append(errs, signalProcess(d.homeDir(p), syscall.SIGKILL))
			if err := awaitStop(context.WithoutCancel(ctx), d.homeDir(p)); err != nil {
				errs = append(errs, fmt.Errorf("%w: %s: %w", ErrNotStopped, p.Name, err))
			}
		}
		return errors.Join(errs...)
	})
}

// Status returns the present state of every node.
func (d *Devnet) Status() (*Status, error) {
	s := &Status{ChainID: d.topo.ChainID, Home: d.dir, Genesis: filepath.Join(d.dir, genesisFile)}
	for _, p := range d.topo.Nodes {
		pid, err := findProcess(d.homeDir(p))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		node := NodeStatus{
			Name: p.Name, Role: p.Role, Pid: pid, Running: pid != 0, Home: d.homeDir(p),
			RPC: p.urlAt(p.RPC), Metrics: p.urlAt(p.Metrics) + "/metrics", Log: filepath.Join(d.homeDir(p), logFile),
		}
		if p.Role == RoleGateway {
			node.Gateway = p.urlAt(p.Gateway)
		}
		s.Nodes = append(s.Nodes, node)
	}
	for _, a := range d.topo.Accounts {
		s.Accounts = append(s.Accounts, AccountStatus{Name: a.Name, Address: a.Address.String(), Key: keyPath(d.dir, a.Name)})
	}
	return s, nil
}

func (d *Devnet) homeDir(p *place) string { return filepath.Join(d.dir, p.Name) }
