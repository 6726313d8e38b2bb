// Package chaos runs validators as real processes under load, harms them by a seeded schedule, and compares what the
// clients saw with what every validator executed. It exists for its own tests; docs/chaos.md says how to run them.
//
// A test starts a network ([Up]), drives clients ([Network.Drive]) that write a [History], applies faults ([Network.RunKills],
// [Network.RunPauses], [Wires], [SmallDisk]), ends the load, and checks ([Network.Check], [Network.CheckLogs],
// [Network.CheckStores], [Network.Replay]). Faults of links and disks need root and run in a [Lab].
package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/home"
)

// Validators is the size of the committee: the smallest that tolerates the failure of one.
const Validators = 4

const (
	pollInterval = 25 * time.Millisecond // between two reads of a validator's height
	callTimeout  = 5 * time.Second       // for one answer of a node
)

// Options describe a network.
type Options struct {
	Dir    string            // holds all files; the caller creates and removes it
	Binary string            // the remora program
	Epoch  time.Duration     // 0: that of a devnet
	Hosts  []string          // IPv4 address of each validator; nil: loopback
	Launch map[string]Launch // by name, for validators that are started in a special way
}

// Network is a devnet with clients of its nodes.
type Network struct {
	options Options
	net     *devnet.Devnet
	genesis *remora.Genesis
	names   []string
	homes   []string
	nodes   []*client.Client
	keys    []*ed25519.PrivateKey // of the accounts
}

// graceTime is the time for which validators outlive a driver that was killed before it could end them.
const graceTime = time.Minute

// Up starts the validators of a new chain; Down ends them. If the driver is killed, they end graceTime after the
// deadline of the context.
func Up(ctx context.Context, o Options) (*Network, error) {
	n := &Network{options: o}
	if err := n.writeLauncher(); err != nil {
		return nil, err
	}
	spec := devnet.Spec{
		Home: filepath.Join(o.Dir, "net"), Validators: Validators, Epoch: o.Epoch, Hosts: o.Hosts, Binary: n.launcherPath(),
	}
	if end, limited := ctx.Deadline(); limited {
		spec.For = time.Until(end) + graceTime
	}
	var err error
	if n.net, err = devnet.Up(ctx, spec); err != nil {
		return nil, err
	}
	if err := n.connectClients(); err != nil {
		return nil, errors.Join(err, n.Down())
	}
	return n, nil
}

func (n *Network) connectClients() error {
	status, err := n.net.Status()
	if err != nil {
		return err
	}
	if n.genesis, err = home.ReadGenesis(status.Genesis); err != nil {
		return err
	}
	for _, node := range status.Nodes {
		c, err := client.New(node.RPC)
		if err != nil {
			return err
		}
		n.names, n.homes, n.nodes = append(n.names, node.Name), append(n.homes, node.Home), append(n.nodes, c)
	}
	for _, account := range status.Accounts {
		key, err := home.OpenAccount(account.Key)
		if err != nil {
			return err
		}
		n.keys = append(n.keys, key)
	}
	return nil
}

// Down ends every validator.
func (n *Network) Down() error {
	for _, c := range n.nodes {
		c.Close()
	}
	return n.net.Down(context.Background())
}

// Kill ends a validator by SIGKILL.
func (n *Network) Kill(ctx context.Context, validator int) error {
	return n.net.Kill(ctx, n.names[validator])
}

// Start starts a validator that does not run, and returns when it answers.
func (n *Network) Start(ctx context.Context, validator int) error {
	return n.net.Start(ctx, n.names[validator])
}

// KillOnStart starts a validator that does not run, and kills it some time after it has taken its home's lock, most likely
// before it answers.
func (n *Network) KillOnStart(ctx context.Context, validator int, after time.Duration) error {
	starting := make(chan error, 1)
	go func() { starting <- n.Start(ctx, validator) }()
	err := devnet.Poll(ctx, func() (bool, error) {
		pid, err := n.processID(validator)
		if pid == 0 || err != nil {
			return false, err
		}
		devnet.Pause(ctx, after)
		return true, os.NewSyscallError("kill", syscall.Kill(pid, syscall.SIGKILL))
	})
	if failed := <-starting; !errors.Is(failed, devnet.ErrNotReady) {
		err = errors.Join(err, failed)
	}
	return errors.Join(err, n.Kill(ctx, validator)) // returns when it is gone
}

// processID returns the process of a validator, 0 if it does not run.
func (n *Network) processID(validator int) (int, error) {
	status, err := n.net.Status()
	if err != nil {
		return 0, err
	}
	return status.Nodes[validator].Pid, nil
}

// CPU returns the processor time that a validator's process has used so far.
func (n *Network) CPU(validator int) (time.Duration, error) {
	pid, err := n.processID(validator)
	if err != nil {
		return 0, err
	}
	return devnet.CPUTime(pid)
}

// Stop ends a validator gracefully.
func (n *Network) Stop(ctx context.Context, validator int) error {
	return n.net.Stop(ctx, n.names[validator])
}

// Pause stops a validator's process for a time, like a machine that hangs.
func (n *Network) Pause(ctx context.Context, validator int, d time.Duration) error {
	pid, err := n.processID(validator)
	if err != nil {
		return err
	}
	if pid == 0 {
		return fmt.Errorf("%s does not run", n.names[validator])
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	devnet.Pause(ctx, d)
	return os.NewSyscallError("continue", syscall.Kill(pid, syscall.SIGCONT))
}

// heightsOf returns a validator's newest executed and newest certified height, both 0 if it does not answer.
func (n *Network) heightsOf(ctx context.Context, validator int) (executed, certified remora.Height) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	status, err := n.nodes[validator].Status(ctx)
	if err != nil {
		return 0, 0
	}
	return status.Height, status.CertifiedHeight
}

// highestHeights returns the newest executed and the newest certified height of all validators.
func (n *Network) highestHeights(ctx context.Context) (executed, certified remora.Height) {
	for i := range n.nodes {
		e, c := n.heightsOf(ctx, i)
		executed, certified = max(executed, e), max(certified, c)
	}
	return executed, certified
}

// Progress waits until validators have executed a number of blocks that none had executed at the call.
func (n *Network) Progress(ctx context.Context, blocks remora.Height, validators ...int) error {
	highest, _ := n.highestHeights(ctx)
	height := highest + blocks
	for _, v := range validators {
		var at remora.Height
		err := devnet.Poll(ctx, func() (bool, error) {
			at, _ = n.heightsOf(ctx, v)
			return at >= height, nil
		})
		if err != nil {
			return fmt.Errorf("%s is at block %d and not at %d: %w", n.names[v], at, height, err)
		}
	}
	return nil
}

// AwaitStandstill waits until no validator has executed a block for a time. Blocks certified before may still be executed later.
func (n *Network) AwaitStandstill(ctx context.Context, quiet time.Duration) error {
	last, _ := n.highestHeights(ctx)
	since := time.Now()
	return devnet.Poll(ctx, func() (bool, error) {
		if now, _ := n.highestHeights(ctx); now > last {
			last, since = now, time.Now()
		}
		return time.Since(since) >= quiet, nil
	})
}

// All returns the indices of all validators.
func All() []int {
	all := make([]int, Validators)
	for i := range all {
		all[i] = i
	}
	return all
}
