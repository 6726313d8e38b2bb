// Package bench measures a chain of real processes on this machine: it boots them, loads them, and counts what they
// executed.
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

// Options say what to measure.
type Options struct {
	Validators int
	Size       int // bytes of a payload
	Rate       int // transactions a second over all validators; 0: as fast as it goes
	Duration   time.Duration
	Home       string // kept afterwards; empty: a temporary one
	Progress   func(format string, args ...any)
}

// ErrOptions says that a run cannot be as asked.
var ErrOptions = errors.New("impossible options")

func (o *Options) check() error {
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
	process  *process
	underWay atomic.Int64
}

// Order measures ordering: opaque transactions from submission to their block being executed and durable.
func Order(ctx context.Context, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	dir, discard, err := workspace(o.Home)
	if err != nil {
		return nil, err
	}
	o.Progress("booting %d validators in %s", o.Validators, dir)
	net, err := devnet.Up(ctx, devnet.Spec{Home: dir, Validators: o.Validators, Epoch: time.Hour})
	if err != nil {
		return nil, errors.Join(err, discard())
	}
	report, err := order(ctx, o, net)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	err = errors.Join(err, net.Down(stop))
	if report != nil {
		report.DiskBytes, report.Home = diskBytes(dir), o.Home
	}
	return report, errors.Join(err, discard())
}

// workspace returns the directory to use, and what removes it when nobody asked to keep it.
func workspace(home string) (dir string, discard func() error, err error) {
	if home != "" {
		return home, func() error { return nil }, nil
	}
	dir, err = os.MkdirTemp("", "remora-bench-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}

func order(ctx context.Context, o Options, net *devnet.Devnet) (*Report, error) {
	targets, err := aim(net)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	w := window{from: begin.Add(warmUp), to: begin.Add(warmUp + o.Duration)}
	l := &load{size: o.Size, ledger: newLedger(len(targets), w)}
	listening, hangUp := context.WithCancel(ctx)
	defer hangUp()
	for _, t := range targets {
		go listen(listening, t, l.ledger)
	}
	before := make(chan []usage, 1)
	atStart := time.AfterFunc(time.Until(w.from), func() { before <- measure(targets) })
	defer atStart.Stop()
	loading, stop := context.WithDeadline(ctx, w.to)
	defer stop()
	o.Progress("loading for %s after %s of warm-up", o.Duration, warmUp)
	if o.Rate == 0 {
		l.closed(loading, targets)
	} else {
		l.open(loading, targets, o.Rate)
	}
	after := measure(targets)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	o.Progress("draining")
	drain(ctx, l.ledger)
	r := l.report(o, len(targets))
	r.spend(<-before, after)
	o.Progress("reading the chain back")
	return r, l.verify(ctx, targets[0].client, r)
}

func aim(net *devnet.Devnet) ([]*target, error) {
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
		targets = append(targets, &target{index: i, client: c, process: &process{pid: n.Pid}})
	}
	return targets, nil
}

// listen enters the blocks of a validator as they come. A stream that breaks is taken up behind its last block.
func listen(ctx context.Context, t *target, l *ledger) {
	next := remora.Height(1)
	for ctx.Err() == nil {
		for e, err := range t.client.Events(ctx, next) {
			if err != nil {
				break
			}
			l.block(t.index, e, time.Now())
			next = e.Height + 1
		}
		wait(ctx, backOff)
	}
}

// drain waits until everything acknowledged was executed, or nothing more will be.
func drain(ctx context.Context, l *ledger) {
	ctx, cancel := context.WithTimeout(ctx, drainWait)
	defer cancel()
	for !l.drained() && ctx.Err() == nil {
		wait(ctx, backOff)
	}
}

func (l *load) report(o Options, validators int) *Report {
	q := l.ledger.quantiles(0.5, 0.9, 0.99, 1)
	l.ledger.mu.Lock()
	defer l.ledger.mu.Unlock()
	seconds := o.Duration.Seconds()
	committed := float64(l.ledger.committed)
	return &Report{
		Validators: validators, Size: o.Size, Rate: o.Rate, Seconds: seconds,
		Submitted: l.ledger.submitted, Refused: l.ledger.refused, Committed: l.ledger.committed,
		TxPerS: committed / seconds, MBPerS: committed * float64(o.Size) / seconds / 1e6,
		Latency:    Latency{P50: q[0], P90: q[1], P99: q[2], Max: q[3]},
		CommitPerS: float64(l.ledger.blocks) / seconds, Certificates: "bls",
	}
}

// verify counts every transaction on the chain itself.
func (l *load) verify(ctx context.Context, c *client.Client, r *Report) error {
	l.ledger.mu.Lock()
	height := l.ledger.height
	l.ledger.mu.Unlock()
	if _, err := c.CertifiedBlock(ctx, height, 10*time.Second); err != nil {
		return err
	}
	times, err := audit(ctx, c, height, l.counter.Load())
	if err != nil {
		return fmt.Errorf("read the chain back: %w", err)
	}
	l.ledger.settle(times, r)
	return nil
}

func diskBytes(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error { // a file that goes meanwhile counts nothing
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}
