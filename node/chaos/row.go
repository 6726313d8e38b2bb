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
	transferMost  = 2 * time.Second // for one transfer
	blocksAtLeast = 0.5             // of the blocks a second without it
	memoryMost    = 512.0           // MiB of a node
	recoverMost   = 10 * time.Second
)

// Row is the outcome of an attack.
type Row struct {
	Kind                 string
	Before, During, Calm *Phase // Calm: with a spinner that uses as much processor time as the attacker did
	Recovered            time.Duration
}

// Run watches the network at peace, under an attack, after it, and with a spinner in the attacker's place.
func (s *Siege) Run(ctx context.Context, kind string, length time.Duration) (*Row, error) {
	r := &Row{Kind: kind}
	var err error
	if r.Before, err = s.Watch(ctx, min(length, 10*time.Second), nil); err != nil {
		return nil, err
	}
	if r.During, err = s.attackFor(ctx, kind, 0, length); err != nil {
		return nil, err
	}
	r.Recovered = s.Recover(ctx, max(time.Second, time.Duration(slowerAtMost*float64(r.Before.P50()))), 3*recoverMost)
	r.Calm, err = s.attackFor(ctx, "spinner", int(100*r.During.CPU), length)
	return r, err
}

func (s *Siege) attackFor(ctx context.Context, kind string, percent int, length time.Duration) (*Phase, error) {
	a, err := s.Prepare(ctx, kind, percent)
	if err != nil {
		return nil, err
	}
	err = a.Begin()
	var p *Phase
	if err == nil {
		p, err = s.Watch(ctx, length, a)
	}
	return p, errors.Join(err, s.End(ctx, a))
}

// Broken returns what does not hold.
func (r *Row) Broken() []string {
	var broken []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			broken = append(broken, fmt.Sprintf(format, args...))
		}
	}
	d := r.During
	add(float64(d.P50()) > slowerAtMost*float64(r.Calm.P50()), "the median transfer takes %s, without the attack %s", d.P50(), r.Calm.P50())
	add(d.Max() > transferMost, "a transfer takes %s", d.Max())
	add(d.Blocks < blocksAtLeast*r.Calm.Blocks, "%.1f blocks a second, without the attack %.1f", d.Blocks, r.Calm.Blocks)
	add(max(r.Before.RSS, d.RSS, r.Calm.RSS) > memoryMost, "a node uses %.0f MiB of memory", d.RSS)
	add(len(d.Named) == 0, "no node names the attacker")
	add(r.Recovered > recoverMost, "after %s it is not as before", r.Recovered)
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
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %d/%d | %.1f | %.1f | %.0f | %.0f | %.2f | %.1f | %s | %s |",
		r.Kind, ms(r.Before.P50()), ms(r.Calm.P50()), ms(d.P50()), ms(d.Max()), d.Lost, len(d.Latencies), r.Calm.Blocks, d.Blocks, d.RSS, d.Disk,
		d.CPU, r.Recovered.Seconds(), strings.Join(d.Named, "+"), verdict)
}
