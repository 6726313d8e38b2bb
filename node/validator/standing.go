package validator

import (
	"time"

	"github.com/remora-network/remora"
)

const (
	// aloneRounds is the number of rounds for which the messages of a peer that sent a bad one are checked apart.
	aloneRounds = 1024
	// firstPause and longestPause bound the time after a failed check in which no certificate of the sender is checked. It
	// doubles with each failure while the sender is checked apart: a flood costs at most one failed check a second.
	firstPause   = 8 * time.Millisecond
	longestPause = time.Second
	// headerGap and headerBurst are the pace at which a peer's headers are checked, bad or good. An honest peer makes one in
	// four ticks at most.
	headerGap   = 10 * time.Millisecond
	headerBurst = 64
)

// Standing judges the members of a committee by the checks that failed on what they sent. It only orders work: whoever is
// blamed is checked apart from the others and less often, and is never shut out, because a committee may need its next vote.
// The zero value is not usable, see NewStanding.
type Standing struct {
	members []conduct
}

// conduct is what is known of one member.
type conduct struct {
	alone   remora.Round  // checked apart below this round
	pause   time.Duration // the newest one's length
	paused  time.Time     // no certificate is checked before this time
	headers time.Time     // when the headers that were checked would have come at their pace
}

// NewStanding returns a standing in which n members are good.
func NewStanding(n int) *Standing { return &Standing{members: make([]conduct, n)} }

// Blame takes a failed check of what a member signed or should have checked before it sent it, in a round. It returns the
// round from which the member is no longer checked apart, and when its certificates are checked again.
func (s *Standing) Blame(a remora.Authority, round remora.Round, now time.Time) (alone remora.Round, paused time.Time) {
	m := &s.members[a]
	if round >= m.alone {
		m.pause = 0
	}
	m.alone = max(m.alone, round+aloneRounds)
	if !now.Before(m.paused) { // what failed in the same moment is one failure
		m.pause = min(max(2*m.pause, firstPause), longestPause)
		m.paused = now.Add(m.pause)
	}
	return m.alone, m.paused
}

// IsAlone reports whether a member is checked apart in a round.
func (s *Standing) IsAlone(a remora.Authority, round remora.Round) bool {
	return round < s.members[a].alone
}

// PauseLeft returns how long a member's certificates are not checked.
func (s *Standing) PauseLeft(a remora.Authority, now time.Time) time.Duration {
	return max(s.members[a].paused.Sub(now), 0)
}

// HeaderOff returns how long the next header of a member has to wait for its check.
func (s *Standing) HeaderOff(a remora.Authority, now time.Time) time.Duration {
	return max(s.members[a].headers.Sub(now.Add(headerBurst*headerGap)), 0)
}

// ChargeHeader counts a check of a member's header against its pace.
func (s *Standing) ChargeHeader(a remora.Authority, now time.Time) {
	m := &s.members[a]
	if m.headers.Before(now) {
		m.headers = now
	}
	m.headers = m.headers.Add(headerGap)
}
