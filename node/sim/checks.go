package sim

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/remora-network/remora"
)

// MaxValidators bounds a scenario.
const MaxValidators = 200

// Check reports everything that makes the scenario, with its defaults filled in, impossible.
func (s *Scenario) Check() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("%w: "+format, append([]any{remora.ErrInvalid}, args...)...))
		}
	}
	bad(s.Validators < 1 || s.Validators > MaxValidators, "validators = %d, want 1 to %d", s.Validators, MaxValidators)
	bad(len(s.Stake) != s.Validators, "stake has %d entries, there are %d validators", len(s.Stake), s.Validators)
	bad(slices.Contains(s.Stake, 0), "stake 0: every validator has some")
	bad(s.Rule != "bullshark", "rule %q: this build knows bullshark", s.Rule)
	bad(s.Signatures != FakeSignatures && s.Signatures != RealSignatures, "signatures = %q, want %s or %s", s.Signatures, FakeSignatures, RealSignatures)
	bad(s.Duration <= 0 || s.Duration > 240*time.Hour, "duration_ms = %d, want more than 0 and at most ten days", s.Duration.Milliseconds())
	bad(s.GST < 0 || s.GST > s.Duration, "gst_ms = %d, want 0 to duration_ms", s.GST.Milliseconds())
	bad(s.TxPerSecond < 0 || s.TxPerSecond > 1_000_000, "tx_per_s = %d, want 0 to 1000000", s.TxPerSecond)
	bad(s.Served <= 0, "served_ms = %d, want more than 0", s.Served.Milliseconds())
	bad(s.Grace <= 0, "grace_ms = %d, want more than 0", s.Grace.Milliseconds())
	errs = append(errs, s.Network.checkFields()...)
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := genesisOf(s).Check(); err != nil {
		return err
	}
	for i := range s.Faults {
		if err := s.Faults[i].checkFields(s.Validators); err != nil {
			errs = append(errs, fmt.Errorf("fault %d (%s): %w", i+1, s.Faults[i].Kind, err))
		}
	}
	return errors.Join(errs...)
}

func (n *Network) checkFields() []error {
	var errs []error
	if low, high := n.Latency[0], n.Latency[1]; low < 0 || high < low || high > time.Hour {
		errs = append(errs, fmt.Errorf("%w: latency_ms = [%d, %d], want 0 <= low <= high", remora.ErrInvalid, low.Milliseconds(), high.Milliseconds()))
	}
	for key, p := range map[string]float64{"drop": n.Drop, "duplicate": n.Duplicate} {
		if !(p >= 0 && p <= 1) { // as it stands, not a number is refused too
			errs = append(errs, fmt.Errorf("%w: %s = %v, want a probability from 0 to 1", remora.ErrInvalid, key, p))
		}
	}
	return errs
}

// checkFields reports what is wrong with a fault in a committee of n.
func (f *Fault) checkFields(n int) error {
	known := func(a remora.Authority) error {
		if int(a) >= n {
			return fmt.Errorf("%w: validator %d of %d, they are counted from 0", remora.ErrInvalid, a, n)
		}
		return nil
	}
	if f.At < 0 || f.Until < 0 || f.Until > 0 && f.Until < f.At {
		return fmt.Errorf("%w: from at_ms = %d until_ms = %d: want at_ms <= until_ms, or until_ms = 0 for ever",
			remora.ErrInvalid, f.At.Milliseconds(), f.Until.Milliseconds())
	}
	return f.checkKind(known)
}

// checkKind checks what the kind needs.
func (f *Fault) checkKind(known func(remora.Authority) error) error {
	switch f.Kind {
	case Crash, Wipe, DiskFull, Clock:
		return known(f.Node)
	case Rollback:
		if f.Until == 0 {
			return fmt.Errorf("%w: until_ms = 0: when is the old disk back?", remora.ErrInvalid)
		}
		return known(f.Node)
	case Slow:
		if !(f.Factor >= 1) || math.IsInf(f.Factor, 0) || f.Factor > 1e6 {
			return fmt.Errorf("%w: factor = %v, want 1 to 1000000", remora.ErrInvalid, f.Factor)
		}
		return known(f.Node)
	case OneWay:
		if f.From == f.To {
			return fmt.Errorf("%w: from and to are the same validator", remora.ErrInvalid)
		}
		return errors.Join(known(f.From), known(f.To))
	case Partition:
		return f.checkGroups(known)
	case Byzantine:
		if !slices.Contains(Behaviours, f.Behaviour) {
			return fmt.Errorf("%w: behaviour %q, want one of %v", remora.ErrInvalid, f.Behaviour, Behaviours)
		}
		return known(f.Node)
	}
	return fmt.Errorf("%w: kind %q", remora.ErrInvalid, f.Kind)
}

func (f *Fault) checkGroups(known func(remora.Authority) error) error {
	if len(f.Groups) == 0 {
		return fmt.Errorf("%w: groups is empty: name who stays together", remora.ErrInvalid)
	}
	seen := map[remora.Authority]bool{}
	for _, a := range slices.Concat(f.Groups...) {
		if err := known(a); err != nil {
			return err
		}
		if seen[a] {
			return fmt.Errorf("%w: validator %d is in two groups", remora.ErrInvalid, a)
		}
		seen[a] = true
	}
	return nil
}
