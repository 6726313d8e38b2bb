package sim

import (
	"slices"

	"github.com/remora-network/remora"
)

// maxShrinks bounds the runs that Shrink makes.
const maxShrinks = 200

// Shrink returns the simplest scenario that it finds with the verdict of a failing one: fewer faults, less load, less
// time, an orderly network. It takes at most a few hundred runs.
func Shrink(s Scenario, verdict string) Scenario {
	s = s.WithDefaults()
	for runs := 0; runs < maxShrinks; {
		simpler := false
		for _, candidate := range simplifications(s) {
			runs++
			if r, err := Run(candidate); err == nil && r.Verdict == verdict {
				s, simpler = candidate, true
				break
			}
			if runs >= maxShrinks {
				return s
			}
		}
		if !simpler {
			return s
		}
	}
	return s
}

// simplifications returns scenarios that are each a step simpler, the largest steps first.
func simplifications(s Scenario) []Scenario {
	var list []Scenario
	add := func(change func(*Scenario)) {
		c := s
		c.Faults = slices.Clone(s.Faults)
		c.Stake = slices.Clone(s.Stake)
		if change(&c); c.Check() == nil && c.hasTimelyEnd() == s.hasTimelyEnd() {
			list = append(list, c)
		}
	}
	if half := len(s.Faults) / 2; half > 0 {
		add(func(c *Scenario) { c.Faults = c.Faults[:half] })
		add(func(c *Scenario) { c.Faults = c.Faults[half:] })
	}
	for i := range s.Faults {
		add(func(c *Scenario) { c.Faults = slices.Delete(c.Faults, i, i+1) })
	}
	if last := remora.Authority(s.Validators - 1); s.Validators > 4 && !s.namesValidator(last) {
		add(func(c *Scenario) { c.Validators--; c.Stake = c.Stake[:c.Validators] })
	}
	if s.Network.Drop > 0 || s.Network.Duplicate > 0 {
		add(func(c *Scenario) { c.Network.Drop, c.Network.Duplicate = 0, 0 })
	}
	if s.TxPerSecond > 0 {
		add(func(c *Scenario) { c.TxPerSecond /= 2 })
	}
	if s.EpochBlocks > 0 {
		add(func(c *Scenario) { c.EpochBlocks = 0 })
	}
	if cut := (s.GST / 4).Truncate(millisecond); cut > 100*millisecond { // the time that liveness takes stays
		add(func(c *Scenario) { c.Duration -= cut; c.GST -= cut })
	}
	return list
}

// hasTimelyEnd reports whether every temporary fault ends before liveness is required.
func (s *Scenario) hasTimelyEnd() bool {
	return !slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Until > s.GST })
}

// namesValidator reports whether a fault is about a validator.
func (s *Scenario) namesValidator(a remora.Authority) bool {
	return slices.ContainsFunc(s.Faults, func(f Fault) bool { return slices.Contains(f.listValidators(), a) })
}
