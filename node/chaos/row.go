package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// What an attack may do to the others.
const (
	slowerAtMost  = 3.0             // times the median of transfers without it
	transferMost  = 2 * time.Second // for one transfer, unless the machine is slower than that without it
	blocksAtLeast = 0.5             // of the blocks a second without it
	memoryMost    = 512.0           // MiB of a node
	quotaMost     = 64.0            // MiB on disk that a member may fill in an epoch
	diskSlack     = 16.0            // MiB that a node may write beyond what it is paid for: logs, and rows of blocks
	recoverMost   = 10 * time.Second
)

// Row is the outcome of an attack.
type Row struct {
	Kind                 string
	Before, During, Calm *Phase // Calm: with a spinner that uses as much processor time as the attacker did
	Recovered            time.Duration
	percent              int           // of a core that a spinner burns
	Returned             time.Duration // of a cache that was restarted under an attack by strangers, until it was ready
}

// Run watches the network at peace, under an attack, after it, and with a spinner in the attacker's place.
func (s *Siege) Run(ctx context.Context, kind string, length time.Duration) (*Row, error) {
	r := &Row{Kind: kind}
	var err error
	if r.Before, err = s.Watch(ctx, min(length, 10*time.Second), nil); err != nil {
		return nil, err
	}
	if r.During, err = s.attackFor(ctx, r, length); err != nil {
		return nil, err
	}
	r.Recovered = s.Recover(ctx, max(time.Second, time.Duration(slowerAtMost*float64(r.Before.P50()))), 3*recoverMost)
	r.Calm, err = s.attackFor(ctx, &Row{Kind: "spinner", percent: int(100 * r.During.CPU)}, length)
	return r, err
}

// Try mounts an attack and watches what happens, without anything to compare it with.
func (s *Siege) Try(ctx context.Context, kind string, length time.Duration) (*Row, error) {
	r := &Row{Kind: kind}
	var err error
	if r.During, err = s.attackFor(ctx, r, length); err != nil {
		return nil, err
	}
	r.Recovered = s.Recover(ctx, transferLimit, 3*recoverMost)
	return r, nil
}

func (s *Siege) attackFor(ctx context.Context, r *Row, length time.Duration) (*Phase, error) {
	a, err := s.Prepare(ctx, r.Kind, r.percent)
	if err != nil {
		return nil, err
	}
	err = a.Begin()
	if err == nil && isStranger(r.Kind) {
		r.Returned, err = s.restartCache(ctx)
	}
	var p *Phase
	if err == nil {
		p, err = s.Watch(ctx, length, a)
	}
	return p, errors.Join(err, s.End(ctx, a))
}

// faults are sentences about what does not hold.
type faults []string

func (f *faults) addIf(bad bool, format string, args ...any) {
	if bad {
		*f = append(*f, fmt.Sprintf(format, args...))
	}
}

// Broken returns what does not hold.
func (r *Row) Broken() []string {
	broken := r.Exceeded()
	add := broken.addIf
	d := r.During
	add(float64(d.P50()) > slowerAtMost*float64(r.Calm.P50()), "the median transfer takes %s, without the attack %s", d.P50(), r.Calm.P50())
	slow := max(transferMost, 2*max(r.Before.Max(), r.Calm.Max()))
	add(d.Max() > slow, "a transfer takes %s, without the attack %s", d.Max(), r.Calm.Max())
	add(d.Blocks < blocksAtLeast*r.Calm.Blocks, "%.1f blocks a second, without the attack %.1f", d.Blocks, r.Calm.Blocks)
	add(r.Returned > recoverMost, "a cache that was restarted was ready after %s", r.Returned)
	add(r.Recovered > recoverMost, "after %s it is not as before", r.Recovered)
	return broken
}

// Exceeded returns what does not hold although it does not depend on what else the machine does.
func (r *Row) Exceeded() faults {
	var broken faults
	add := broken.addIf
	d := r.During
	add(d.RSS > memoryMost, "a node uses %.0f MiB of memory", d.RSS)
	room := diskSlack + d.Paid
	if isMember(r.Kind) {
		room += quotaMost
	}
	add(d.Disk > room, "a node wrote %.0f MiB, at most %.0f", d.Disk, room)
	add(len(d.Named) == 0, "no node names the attacker")
	return broken
}

// String returns the row of a table.
func (r *Row) String() string {
	d := r.During
	verdict := "holds"
	if len(r.Broken()) > 0 {
		verdict = "BROKEN"
	}
	ms := func(t time.Duration) string { return fmt.Sprintf("%.0f", t.Seconds()*1000) }
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %d/%d | %.1f | %.1f | %.0f | %.0f | %.2f | %.1f | %s | %s |",
		r.Kind, ms(r.Before.P50()), ms(r.Calm.P50()), ms(r.Calm.Max()), ms(d.P50()), ms(d.Max()), d.Lost, len(d.Latencies), r.Calm.Blocks, d.Blocks, d.RSS, d.Disk,
		d.CPU, r.Recovered.Seconds(), strings.Join(d.Named, "+"), verdict)
}
