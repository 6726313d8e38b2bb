// Package devnet runs a whole chain on one machine: one description becomes a genesis, homes, and a real process per
// node, with real sockets on loopback and real disks. Every process outlives whoever started it, until it is stopped.
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
	ErrUsage       = errors.New("this devnet cannot be")
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

// defaultValidators tolerate the failure of one.
const defaultValidators = 4

// MaxValidators bounds a devnet on one machine.
const MaxValidators = 64

// readyWait bounds how long nodes may take to become ready.
const readyWait = 60 * time.Second

// lockWait bounds how long one command waits for another one to finish: a little more than the longest takes.
const lockWait = readyWait + 30*time.Second

// Spec describes a devnet. Only Home is needed to resume one.
type Spec struct {
	Home       string
	Validators int               // 0: 4, or as many as there are
	Caches     int               // of a new chain; 0 resumes with those that are there
	Gateways   int               // the same
	PortBase   int               // 0: free ports
	Epoch      time.Duration     // 0: 15 s; of a new chain only
	For        time.Duration     // 0: until stopped
	Config     map[string]string // settings of every node of a new chain, by key
	Hosts      []string          // IPv4 address of each node of a new chain, where Binary takes it; nil: loopback for all
	Binary     string            // empty: the program that runs
}

// Devnet is a devnet's directory. Its methods may be used from several processes: a lock keeps them apart.
type Devnet struct {
	dir    string
	binary string
	topo   *topology
	own    map[string]*process // started by this process, by name
	ports  block               // chosen by this process, claimed until its nodes have them
}

// Status tells who the nodes are and which of them run.
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

// Up makes the devnet or resumes the one that Home holds, and returns when every node is ready. On failure it stops what
// it started.
func Up(ctx context.Context, s Spec) (*Devnet, error) {
	if s.Epoch == 0 {
		s.Epoch = 15 * time.Second
	}
	if s.Home != "" {
		if err := os.MkdirAll(s.Home, 0o700); err != nil {
			return nil, fmt.Errorf("%w: %w; choose another --home", ErrNoDevnet, err)
		}
	}
	d, err := at(s.Home, s.Binary)
	if err != nil {
		return nil, err
	}
	err = d.locked(ctx, func() error {
		if err := d.prepare(&s); err != nil {
			return err
		}
		if err := d.boot(ctx); err != nil {
			return errors.Join(err, d.abandon())
		}
		return nil
	})
	return d, errors.Join(err, d.ports.release())
}

// Open finds the devnet in dir.
func Open(dir string) (*Devnet, error) {
	d, err := at(dir, "")
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

func at(dir, binary string) (*Devnet, error) {
	if dir == "" {
		return nil, fmt.Errorf("%w: name its directory with --home", ErrUsage)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDevnet, err)
	}
	if resolved, err := filepath.EvalSymlinks(abs); err == nil {
		abs = resolved // a process is recognised by the path in its arguments: the directory needs one name
	}
	if binary == "" {
		if binary, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
	}
	return &Devnet{dir: abs, binary: binary, own: map[string]*process{}}, nil
}

// locked runs change while no other process changes the devnet. It waits for one that does.
func (d *Devnet) locked(ctx context.Context, change func() error) error {
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

// prepare creates the chain or checks that the one that is there fits the spec.
func (d *Devnet) prepare(s *Spec) error {
	t, err := loadTopology(d.dir)
	if err != nil {
		return err
	}
	if t == nil {
		if t, err = d.found(s); err != nil {
			return err
		}
	}
	if err := s.fits(t, d.dir); err != nil {
		return err
	}
	if s.PortBase != 0 && s.PortBase != t.Nodes[0].P2P {
		return fmt.Errorf("%w: the nodes of %q keep the ports that they have (from %d); leave --port-base out",
			ErrUsage, d.dir, t.Nodes[0].P2P)
	}
	t.Deadline = time.Time{}
	if s.For > 0 {
		t.Deadline = time.Now().Add(s.For)
	}
	d.topo = t
	return t.save(d.dir)
}

// found makes a new chain, on the ports that were asked for or on a free block of them.
func (d *Devnet) found(s *Spec) (t *topology, err error) {
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
		if d.ports, err = freeBlock(s.Validators + s.Caches + s.Gateways); err != nil {
			return nil, err
		}
		s.PortBase = d.ports.first
	}
	return create(d.dir, s)
}

// fits reports numbers of nodes that are not those of the chain that is there. 0 asks for none in particular.
func (s *Spec) fits(t *topology, dir string) error {
	for _, want := range []struct {
		role string
		n    int
	}{{RoleValidator, s.Validators}, {RoleCache, s.Caches}, {RoleGateway, s.Gateways}} {
		if n := t.count(want.role); want.n != 0 && want.n != n {
			return fmt.Errorf("%w: %q has %d nodes of the role %s, not %d; resume it with its own numbers, or choose another --home",
				ErrUsage, dir, n, want.role, want.n)
		}
	}
	return nil
}

// boot starts every node that does not run and waits until all are ready.
func (d *Devnet) boot(ctx context.Context) error {
	var idle []*place
	for _, p := range pointers(d.topo.Nodes) {
		pid, err := running(d.home(p))
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
		if err := d.spawn(p); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	for _, p := range pointers(d.topo.Nodes) {
		if err := d.await(ctx, p, "/readyz"); err != nil {
			return err
		}
	}
	return nil
}

// abandon stops the nodes that this process started.
func (d *Devnet) abandon() error {
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

func (d *Devnet) spawn(p *place) error {
	var flags []string
	if !d.topo.Deadline.IsZero() {
		left := time.Until(d.topo.Deadline)
		if left <= 0 {
			return fmt.Errorf("%w: the time of this devnet is over; resume it with remora devnet up --home %q", ErrUsage, d.dir)
		}
		flags = []string{"--for", left.String()}
	}
	proc, err := spawn(d.binary, d.home(p), flags...)
	if err != nil {
		return err
	}
	d.own[p.Name] = proc
	return nil
}

// Start starts a node and returns when it answers, whatever the other nodes do. A running node is left alone.
func (d *Devnet) Start(ctx context.Context, name string) error {
	p, err := d.topo.find(name)
	if err != nil {
		return err
	}
	return d.locked(ctx, func() error {
		pid, err := running(d.home(p))
		if err != nil {
			return err
		}
		if pid == 0 {
			if err := checkPorts([]*place{p}); err != nil {
				return err
			}
			if err := d.spawn(p); err != nil {
				return err
			}
		}
		ctx, cancel := context.WithTimeout(ctx, readyWait)
		defer cancel()
		return d.await(ctx, p, "/livez")
	})
}

// Stop asks a node to stop and waits until it has.
func (d *Devnet) Stop(ctx context.Context, name string) error {
	return d.end(ctx, name, syscall.SIGTERM)
}

// Kill ends a node at once, as a crash would, and returns when it is gone.
func (d *Devnet) Kill(ctx context.Context, name string) error {
	return d.end(ctx, name, syscall.SIGKILL)
}

func (d *Devnet) end(ctx context.Context, name string, s syscall.Signal) error {
	p, err := d.topo.find(name)
	if err != nil {
		return err
	}
	return d.locked(ctx, func() error {
		if err := signal(d.home(p), s); err != nil {
			return err
		}
		if err := waitStopped(ctx, d.home(p)); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrNotStopped, name, err)
		}
		return nil
	})
}

// Down stops every node: in order, and by force what has not stopped in time.
func (d *Devnet) Down(ctx context.Context) error {
	return d.locked(ctx, func() error {
		var errs []error
		for _, p := range pointers(d.topo.Nodes) {
			errs = append(errs, signal(d.home(p), syscall.SIGTERM))
		}
		for _, p := range pointers(d.topo.Nodes) {
			if waitStopped(ctx, d.home(p)) == nil {
				continue
			}
			errs = append(errs, signal(d.home(p), syscall.SIGKILL))
			if err := waitStopped(context.WithoutCancel(ctx), d.home(p)); err != nil {
				errs = append(errs, fmt.Errorf("%w: %s: %w", ErrNotStopped, p.Name, err))
			}
		}
		return errors.Join(errs...)
	})
}

// Status looks at every node.
func (d *Devnet) Status() (*Status, error) {
	s := &Status{ChainID: d.topo.ChainID, Home: d.dir, Genesis: filepath.Join(d.dir, genesisFile)}
	for i := range d.topo.Nodes {
		p := &d.topo.Nodes[i]
		pid, err := running(d.home(p))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		node := NodeStatus{
			Name: p.Name, Role: p.Role, Pid: pid, Running: pid != 0, Home: d.home(p),
			RPC: p.url(p.RPC), Metrics: p.url(p.Metrics) + "/metrics", Log: filepath.Join(d.home(p), logFile),
		}
		if p.Role == RoleGateway {
			node.Gateway = p.url(p.Gateway)
		}
		s.Nodes = append(s.Nodes, node)
	}
	for _, a := range d.topo.Accounts {
		s.Accounts = append(s.Accounts, AccountStatus{Name: a.Name, Address: a.Address.String(), Key: keyPath(d.dir, a.Name)})
	}
	return s, nil
}

func (d *Devnet) home(p *place) string { return filepath.Join(d.dir, p.Name) }
