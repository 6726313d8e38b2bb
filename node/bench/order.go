// Package bench measures a chain of real processes on this machine: [Order] boots validators, loads them, counts what they
// executed and reads the chain back, so that a lost or duplicated transaction shows in the [Measurement].
package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
)

const (
	warmUp    = 3 * time.Second
	drainWait = 30 * time.Second
)

// Options describe a run.
type Options struct {
	Validators int
	Size       int // bytes of a payload
	Rate       int // transactions per second over all validators; 0: as many as they take
	Duration   time.Duration
	Home       string // kept afterwards; empty: a temporary directory
	Progress   func(format string, args ...any)
}

// ErrOptions says that an option is out of range.
var ErrOptions = errors.New("impossible options")

func (o *Options) checkLimits() error {
	switch {
	case o.Size < 16 || o.Size > remora.MaxTxBytes-64:
		return fmt.Errorf("%w: --size %d, want 16 to %d", ErrOptions, o.Size, remora.MaxTxBytes-64)
	case o.Rate < 0 || o.Rate > 10_000_000:
		return fmt.Errorf("%w: --rate %d, want 0 to 10000000", ErrOptions, o.Rate)
	case o.Duration < time.Second || o.Duration > 24*time.Hour:
		return fmt.Errorf("%w: --duration %s, want 1s to 24h", ErrOptions, o.Duration)
	}
	return nil
}

// target is a validator under load.
type target struct {
	index    int
	client   *client.Client
	pid      int
	underWay atomic.Int64
}

// Order measures ordering: opaque transactions from submission until their block is executed and durable.
func Order(ctx context.Context, o Options) (*Measurement, error) {
	if err := o.checkLimits(); err != nil {
		return nil, err
	}
	dir, discard, err := makeWorkspace(o.Home)
	if err != nil {
		return nil, err
	}
	o.Progress("booting %d validators in %s", o.Validators, dir)
	net, err := devnet.Up(ctx, devnet.Spec{Home: dir, Validators: o.Validators, Epoch: time.Hour})
	if err != nil {
		return nil, errors.Join(err, discard())
	}
	measured, err := measureOrder(ctx, o, net)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	err = errors.Join(err, net.Down(stop))
	if measured != nil {
		measured.DiskBytes, measured.Home = diskBytes(dir), o.Home
	}
	return measured, errors.Join(err, discard())
}

// makeWorkspace returns the directory to use, and a function that removes it unless the caller named it.
func makeWorkspace(home string) (dir string, discard func() error, err error) {
	if home != "" {
		return home, func() error { return nil }, nil
	}
	dir, err = os.MkdirTemp("", "remora-bench-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}

func measureOrder(ctx context.Context, o Options, net *devnet.Devnet) (*Measurement, error) {
	targets, err := connectTargets(net)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	w := window{from: begin.Add(warmUp), to: begin.Add(warmUp + o.Duration)}
	l := &load{size: o.Size, ledger: newLedger(len(targets), w)}
	listening, hangUp := context.WithCancel(ctx)
	defer hangUp()
	for _, t := range targets {
		go followBlocks(listening, t, l.ledger)
	}
	before := make(chan []usage, 1)
	atStart := time.AfterFunc(time.Until(w.from), func() { before <- measureUsage(targets) })
	defer atStart.Stop()
	loading, stop := context.WithDeadline(ctx, w.to)
	defer stop()
	o.Progress("loading for %s after %s of warm-up", o.Duration, warmUp)
	if o.Rate == 0 {
		l.driveClosedLoop(loading, targets)
	} else {
		l.driveOpenLoop(loading, targets, o.Rate)
	}
	after := measureUsage(targets)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	o.Progress("draining")
	awaitExecution(ctx, l.ledger)
	r := l.summarise(o, len(targets))
	r.addUsage(<-before, after)
	o.Progress("reading the chain back")
	return r, l.verifyChain(ctx, targets[0].client, r)
}

func connectTargets(net *devnet.Devnet) ([]*target, error) {
	status, err := net.Status()
	if err != nil {
		return nil, err
	}
	var targets []*target
	for i, n := range status.Nodes {
		c, err := client.New(n.RPC)
		if err != nil {
			return nil, err
		}
		targets = append(targets, &target{index: i, client: c, pid: n.Pid})
	}
	return targets, nil
}

// followBlocks enters the blocks of a validator as they are executed. A broken stream is continued behind its last
// block.
func followBlocks(ctx context.Context, t *target, l *ledger) {
	next := remora.Height(1)
	for ctx.Err() == nil {
		for e, err := range t.client.Events(ctx, next) {
			if err != nil {
				break
			}
			l.noteBlock(t.index, e, time.Now())
			next = e.Height + 1
		}
		devnet.Pause(ctx, backOff)
	}
}

// awaitExecution waits until every acknowledged transaction was executed, or for drainWait.
func awaitExecution(ctx context.Context, l *ledger) {
	ctx, cancel := context.WithTimeout(ctx, drainWait)
	defer cancel()
	for !l.allExecuted() && ctx.Err() == nil {
		devnet.Pause(ctx, backOff)
	}
}

func (l *load) summarise(o Options, validators int) *Measurement {
	q := l.ledger.latencyQuantiles(0.5, 0.9, 0.99, 1)
	l.ledger.mu.Lock()
	defer l.ledger.mu.Unlock()
	seconds := o.Duration.Seconds()
	committed := float64(l.ledger.committed)
	return &Measurement{
		Validators: validators, Size: o.Size, Rate: o.Rate, Seconds: seconds,
		Submitted: l.ledger.submitted, Refused: l.ledger.refused, Committed: l.ledger.committed,
		TxPerS: committed / seconds, MBPerS: committed * float64(o.Size) / seconds / 1e6,
		Latency:    Latency{P50: q[0], P90: q[1], P99: q[2], Max: q[3]},
		CommitPerS: float64(l.ledger.blocks) / seconds, Certificates: "bls",
	}
}

// verifyChain counts every transaction on the chain itself.
func (l *load) verifyChain(ctx context.Context, c *client.Client, r *Measurement) error {
	l.ledger.mu.Lock()
	height := l.ledger.height
	l.ledger.mu.Unlock()
	if _, err := c.CertifiedBlock(ctx, height, 10*time.Second); err != nil {
		return err
	}
	times, err := countExecutions(ctx, c, height, l.counter.Load())
	if err != nil {
		return fmt.Errorf("read the chain back: %w", err)
	}
	l.ledger.countLosses(times, r)
	return nil
}

func diskBytes(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error { // a file that is removed meanwhile is not counted
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}
