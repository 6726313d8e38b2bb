package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/remora-network/remora"
)

// MaxValidators bounds a scenario.
const MaxValidators = 200

// refusals collects what is wrong with a scenario.
type refusals struct{ errs []error }

func (r *refusals) refuseIf(wrong bool, format string, args ...any) {
	if wrong {
		r.errs = append(r.errs, fmt.Errorf("%w: "+format, append([]any{remora.ErrInvalid}, args...)...))
	}
}

func (r *refusals) joinErrors() error { return errors.Join(r.errs...) }

// Check reports everything that makes the scenario, with its defaults filled in, impossible.
func (s *Scenario) Check() error {
	var r refusals
	r.refuseIf(s.Validators < 1 || s.Validators > MaxValidators, "validators = %d, want 1 to %d", s.Validators, MaxValidators)
	r.refuseIf(len(s.Stake) != s.Validators, "stake has %d entries, there are %d validators", len(s.Stake), s.Validators)
	r.refuseIf(slices.Contains(s.Stake, 0), "stake 0: every validator has some")
	r.refuseIf(s.Rule != "bullshark", "rule %q: this build knows bullshark", s.Rule)
	r.refuseIf(s.Signatures != FakeSignatures && s.Signatures != RealSignatures, "signatures = %q, want %s or %s", s.Signatures, FakeSignatures, RealSignatures)
	r.refuseIf(s.Duration <= 0 || s.Duration > 240*time.Hour, "duration_ms = %d, want more than 0 and at most ten days", s.Duration.Milliseconds())
	r.refuseIf(s.GST < 0 || s.GST > s.Duration, "gst_ms = %d, want 0 to duration_ms", s.GST.Milliseconds())
	r.refuseIf(s.TxPerSecond < 0 || s.TxPerSecond > 1_000_000, "tx_per_s = %d, want 0 to 1000000", s.TxPerSecond)
	r.refuseIf(s.Served <= 0, "served_ms = %d, want more than 0", s.Served.Milliseconds())
	r.refuseIf(s.Grace <= 0, "grace_ms = %d, want more than 0", s.Grace.Milliseconds())
	s.Network.checkLinks(&r)
	if len(r.errs) > 0 {
		return r.joinErrors()
	}
	if err := genesisOf(s).Check(); err != nil {
		return err
	}
	for i := range s.Faults {
		if err := s.Faults[i].checkFields(s.Validators); err != nil {
			r.errs = append(r.errs, fmt.Errorf("fault %d (%s): %w", i+1, s.Faults[i].Kind, err))
		}
	}
	return r.joinErrors()
}

func (n *Network) checkLinks(r *refusals) {
	low, high := n.Latency[0], n.Latency[1]
	r.refuseIf(low < 0 || high < low || high > time.Hour, "latency_ms = [%d, %d], want 0 <= low <= high", low.Milliseconds(), high.Milliseconds())
	for key, p := range map[string]float64{"drop": n.Drop, "duplicate": n.Duplicate} {
		// As it stands, not a number is refused too.
		r.refuseIf(!(p >= 0 && p <= 1), "%s = %v, want a probability from 0 to 1", key, p)
	}
}

// checkFields reports what is wrong with a fault in a committee of n.
func (f *Fault) checkFields(n int) error {
	var r refusals
	named := f.listValidators()
	for _, a := range named {
		if int(a) >= n {
			r.refuseIf(true, "validator %d of %d, they are counted from 0", a, n)
			break
		}
	}
	r.refuseIf(f.At < 0 || f.Until < 0 || f.Until > 0 && f.Until < f.At,
		"from at_ms = %d until_ms = %d: want at_ms <= until_ms, or until_ms = 0 for ever", f.At.Milliseconds(), f.Until.Milliseconds())
	switch f.Kind {
	case Crash, Wipe, DiskFull, Clock:
	case Rollback:
		r.refuseIf(f.Until == 0, "until_ms = 0: when is the old disk back?")
	case Slow:
		r.refuseIf(!(f.Factor >= 1) || f.Factor > 1e6, "factor = %v, want 1 to 1000000", f.Factor)
	case OneWay:
		r.refuseIf(f.From == f.To, "from and to are the same validator")
	case Partition:
		r.refuseIf(len(f.Groups) == 0, "groups is empty: name who stays together")
		r.refuseRepeated(named)
	case Byzantine:
		r.refuseIf(!slices.Contains(Behaviours, f.Behaviour), "behaviour %q, want one of %v", f.Behaviour, Behaviours)
	default:
		r.refuseIf(true, "kind %q", f.Kind)
	}
	return r.joinErrors()
}

// refuseRepeated refuses the first validator that is in two groups. It sorts the list.
func (r *refusals) refuseRepeated(named []remora.Authority) {
	slices.Sort(named)
	for i := 1; i < len(named); i++ {
		if named[i] == named[i-1] {
			r.refuseIf(true, "validator %d is in two groups", named[i])
			return
		}
	}
}

// listValidators returns the validators that the fault is about, in a new slice.
func (f *Fault) listValidators() []remora.Authority {
	switch f.Kind {
	case Partition:
		return slices.Concat(f.Groups...)
	case OneWay:
		return []remora.Authority{f.From, f.To}
	default:
		return []remora.Authority{f.Node}
	}
}
