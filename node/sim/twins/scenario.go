// Package twins runs the real cores of a committee of four in which some identities run twice, in networks that are
// partitioned differently in each step. Twins hold the same key and know nothing of each other, so together they behave like a
// Byzantine validator: they make two headers in a round, each certified by the validators that see it first (Bano et al.,
// "Twins: BFT systems made robust", 2021). One twin of four must never make honest validators disagree; two of four must.
//
// A scenario is a pure function of its number, and a run of its scenario: a failure replays by its number.
package twins

import (
	"math/rand/v2"

	"github.com/remora-network/remora"
)

// members is the size of the committee: the smallest that tolerates a fault.
const members = 4

// Scenario describes what happens to the instances. Instances 0 to 3 are the members, those above are the second instances
// of Twins, in that order.
type Scenario struct {
	Twins []remora.Authority // identities that run twice
	Depth remora.Round       // of garbage collection
	Late  bool               // what a torn network does not carry arrives when it is whole; otherwise it is lost
	GST   int                // the step from which the network is whole
	Steps []Step             // each is long enough for one round wherever a quorum is together
}

// Step is how the network is torn for one round. Both sets are by instance, bit by bit.
type Step struct {
	Apart  uint8 // instances in the second of two sets; the others are in the first
	Second uint8 // instances that see the header of a second instance before the one of its twin
}

// Sample returns the scenario of a number among those with the given twins and rounds. Of scenarios that differ in nothing but the
// names of the two sets or of a pair of twins there is one: the first honest instance is in the first set, and so is
// the member of a pair when a step first separates it.
func Sample(number uint64, twins, rounds int) Scenario {
	rng := rand.New(rand.NewPCG(number, uint64(twins)<<32|uint64(rounds)))
	s := Scenario{
		Depth: remora.Round(4 + 46*rng.IntN(2)), Late: rng.IntN(2) == 0, GST: rounds/2 + rng.IntN(rounds/2+1),
		Steps: make([]Step, rounds),
	}
	order := rng.Perm(members)
	for _, a := range order[:twins] {
		s.Twins = append(s.Twins, remora.Authority(a))
	}
	all := uint8(1)<<(members+twins) - 1
	first := uint8(1) << order[members-1] // never a twin: one of four at least is honest
	separated := make([]bool, twins)
	for i := range s.Steps {
		step := &s.Steps[i]
		step.Second = uint8(rng.Uint32()) & all
		step.Apart = uint8(rng.Uint32()) & all &^ first
		if i > 0 && rng.IntN(2) == 0 { // a tear that lasts lets each side get far
			step.Apart = s.Steps[i-1].Apart
		}
		for k, a := range s.Twins {
			one, two := uint8(1)<<a, uint8(1)<<(members+k)
			if together := step.Apart&one == 0 == (step.Apart&two == 0); separated[k] || together {
				continue
			}
			separated[k] = true
			step.Apart = step.Apart&^one | two
		}
	}
	return s
}

// keyHolder returns whose key an instance has.
func (s *Scenario) keyHolder(instance int) remora.Authority {
	if instance < members {
		return remora.Authority(instance)
	}
	return s.Twins[instance-members]
}

// areConnected reports whether messages pass between two instances in a step.
func (s *Scenario) areConnected(step, a, b int) bool {
	if step >= s.GST {
		return true
	}
	apart := s.Steps[step].Apart
	return apart>>a&1 == apart>>b&1
}
