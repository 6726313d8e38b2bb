package p2p

import "time"

const (
	// leastCharge is the least that a frame counts against its channel's rate, in bytes: reading and handing on a small
	// frame costs about as much as one of this size.
	leastCharge = 1 << 10
	// longestHold bounds the time for which a peer's frames may be held.
	longestHold = time.Second
)

// turns decides whose frame of a channel is handed on next. Peers with frames waiting stand in a line: each is served once
// before any is served again. A peer that has used up the channel's rate, or is held, is passed over until its time comes.
// Peers are numbered from 0.
type turns struct {
	rate  int // bytes per second and peer; 0: no limit
	line  []int
	peers []place
}

// place is a peer's place in the turns.
type place struct {
	waits bool      // it stands in the line
	due   time.Time // when the frames that it was served for would have come at the rate
	held  time.Time // it is passed over before this time
}

func newTurns(rate int) turns { return turns{rate: rate} }

// addPeer gives the next peer its number.
func (t *turns) addPeer() int {
	t.peers = append(t.peers, place{})
	return len(t.peers) - 1
}

// joinLine puts a peer that has a frame waiting at the end of the line, unless it stands in it.
func (t *turns) joinLine(peer int) {
	if p := &t.peers[peer]; !p.waits {
		p.waits = true
		t.line = append(t.line, peer)
	}
}

// chooseNext takes the first peer of the line whose time has come out of it. If there is none, it returns how long that of
// the first one to come is off, 0 when nobody stands in the line.
func (t *turns) chooseNext(now time.Time) (peer int, wait time.Duration, ok bool) {
	for i, peer := range t.line {
		off := t.peers[peer].timeOff(now)
		if off <= 0 {
			t.line = append(t.line[:i], t.line[i+1:]...)
			t.peers[peer].waits = false
			return peer, 0, true
		}
		if wait == 0 || off < wait {
			wait = off
		}
	}
	return 0, wait, false
}

// timeOff returns how long a peer is passed over. What is due may lie a second in the future: that is the peer's burst.
func (p *place) timeOff(now time.Time) time.Duration {
	return max(p.held.Sub(now), p.due.Sub(now.Add(time.Second)))
}

// chargeFrame counts a frame against a peer's rate.
func (t *turns) chargeFrame(peer, size int, now time.Time) {
	if t.rate == 0 {
		return
	}
	p := &t.peers[peer]
	if p.due.Before(now) {
		p.due = now
	}
	p.due = p.due.Add(time.Duration(max(size, leastCharge)) * time.Second / time.Duration(t.rate))
}

// holdPeer passes a peer over for a while, at most longestHold from now.
func (t *turns) holdPeer(peer int, d time.Duration, now time.Time) {
	p := &t.peers[peer]
	if p.held.Before(now) {
		p.held = now
	}
	p.held = p.held.Add(d)
	if latest := now.Add(longestHold); p.held.After(latest) {
		p.held = latest
	}
}
