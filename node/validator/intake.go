package validator

import (
	"time"

	"github.com/remora-network/remora"
)

// Class is the kind of a message that a check costs more than its bytes.
type Class int

// The classes: votes are in none, they are checked when a quorum of them is together.
const (
	ClassHeader Class = iota
	ClassCertificate
	classes
)

// Intake decides which messages of members are checked now, by their standing. Of what has to wait it keeps the newest of
// each class and member: a flood costs its sender's older messages, and nobody anything else. M is a message.
type Intake[M any] struct {
	Standing *Standing
	kept     [][classes]*M // by authority
}

// NewIntake returns an intake for n members in good standing.
func NewIntake[M any](n int) *Intake[M] {
	return &Intake[M]{Standing: NewStanding(n), kept: make([][classes]*M, n)}
}

// Admit reports whether a message is to be checked now. One that is not is kept in the place of an older one. Dropped says
// that there was one, which is forgotten either way.
func (i *Intake[M]) Admit(from remora.Authority, class Class, m M, now time.Time) (admitted, dropped bool) {
	place := &i.kept[from][class]
	dropped = *place != nil
	if i.timeOff(from, class, now) > 0 {
		*place = &m
		return false, dropped
	}
	*place = nil
	i.chargeCheck(from, class, now)
	return true, dropped
}

// TakeDue returns the kept messages whose time has come.
func (i *Intake[M]) TakeDue(now time.Time) []M {
	var due []M
	for from := range remora.Authority(len(i.kept)) {
		for class := range classes {
			place := &i.kept[from][class]
			if *place == nil || i.timeOff(from, class, now) > 0 {
				continue
			}
			due = append(due, **place)
			*place = nil
			i.chargeCheck(from, class, now)
		}
	}
	return due
}

// NextDue returns how long the time of the next kept message is off, and whether one is kept.
func (i *Intake[M]) NextDue(now time.Time) (off time.Duration, ok bool) {
	for from := range remora.Authority(len(i.kept)) {
		for class := range classes {
			if i.kept[from][class] == nil {
				continue
			}
			if d := i.timeOff(from, class, now); !ok || d < off {
				off, ok = d, true
			}
		}
	}
	return off, ok
}

func (i *Intake[M]) timeOff(from remora.Authority, class Class, now time.Time) time.Duration {
	if class == ClassHeader {
		return i.Standing.HeaderOff(from, now)
	}
	return i.Standing.PauseLeft(from, now)
}

func (i *Intake[M]) chargeCheck(from remora.Authority, class Class, now time.Time) {
	if class == ClassHeader {
		i.Standing.ChargeHeader(from, now)
	}
}
