package mempool

import (
	"fmt"

	"github.com/remora-network/remora"
)

// Doubt says how far a snapshot can be trusted to hold all that the authority signed. While there is any, the core
// neither proposes nor votes: it follows the DAG and asks the others how far it is.
type Doubt uint8

const (
	// Trusted is a snapshot that is complete.
	Trusted Doubt = iota
	// Listening is a snapshot that is complete unless the disk is an older copy of itself, or another process uses the
	// same keys. The core waits a while for own headers that it does not know.
	Listening
	// Lost is a snapshot that is not complete. The core signs nothing until it knows a round above all that it may have
	// signed.
	Lost
)

// rejoinMargin is how far above the highest certificate that others hold a rejoining authority begins. Whatever it
// signed in round r had a quorum of parents in round r-1, and a quorum of the others has a correct author of one of them
// in common with that quorum: so r is at most one above what they report. The second round is a margin.
const rejoinMargin = 2

// inquiry asks all others for the highest certificate that they hold.
type inquiry struct {
	doubt    Doubt
	answered []bool // by authority
	due      int    // tick of the next questions
}

// Doubt returns how far the record of what the authority signed is trusted by now: a core built from the same disk later
// starts with it.
func (c *Core) Doubt() Doubt { return c.inquiry.doubt }

// askForTips asks those who have not answered, again and again, until the doubt ends.
func (c *Core) askForTips() {
	q := &c.inquiry
	c.concludeInquiry()
	if q.doubt == Trusted || c.clock < q.due {
		return
	}
	q.due = c.clock + max(1, c.config.Pace.Resend/4) // an answer is all that is between a start and the first vote
	for a, answered := range q.answered {
		if peer := remora.Authority(a); !answered && peer != c.config.Self {
			c.out.Want = append(c.out.Want, Want{From: peer, Tip: true})
		}
	}
}

// receiveTip takes a peer's answer. A certificate of a round that is not kept here still tells how far the DAG is.
func (c *Core) receiveTip(m TipReceived) error {
	if !c.config.Committee.Has(m.From) || m.From == c.config.Self {
		return fmt.Errorf("%w: a report of authority %d", ErrVoter, m.From)
	}
	var err error
	if m.Certificate != nil {
		if err = m.Certificate.Check(c.config.Committee); err != nil {
			return err
		}
		err = c.receiveCertificate(m.Certificate)
	}
	c.inquiry.answered[m.From] = true
	c.concludeInquiry()
	return err
}

// concludeInquiry ends the doubt once enough others have answered, or have had the time to.
func (c *Core) concludeInquiry() {
	q, committee := &c.inquiry, c.config.Committee
	own := committee.Stake(c.config.Self)
	var stake remora.Amount
	for a, answered := range q.answered {
		if answered {
			stake += committee.Stake(remora.Authority(a))
		}
	}
	switch {
	case q.doubt == Trusted:
		return
	case q.doubt == Listening && stake+own < c.threshold && c.clock < c.config.Pace.Listen:
		return
	case q.doubt == Lost && stake < min(c.threshold, committee.Total()-own):
		return
	case q.doubt == Lost:
		c.floor = max(c.floor, c.highestTip+rejoinMargin)
		c.out.addRecord(Record{Floor: c.floor}, true)
		c.out.addEvent(Rejoined{Floor: c.floor})
	}
	c.trustRecord()
}

// trustRecord ends the doubt: what is signed from here on is above the floor.
func (c *Core) trustRecord() {
	c.inquiry.doubt = Trusted
	c.resendNewest()
	for a, w := range c.peers.waiting {
		switch {
		case w == nil:
		case w.header.Round <= c.floor:
			c.dismissWaiting(remora.Authority(a))
		default:
			c.voteIfComplete(w)
		}
	}
}

// judgeOwnHeader judges an own header that came from outside, alone or in a certificate. One that is not among those made here
// proves an earlier life that the disk has forgotten or, once the record is trusted, a second process with the same keys.
// A lost record stays lost over a restart, although the disk may know the header by then.
func (c *Core) judgeOwnHeader(h *remora.Header) {
	mine := c.own.header
	made := h.Round < c.own.round || h.Round == c.own.round && h.Digest() == mine.Digest()
	switch {
	case h.Round <= c.floor || made:
	case c.inquiry.doubt == Listening:
		c.inquiry.doubt, c.inquiry.due = Lost, c.clock
		c.out.addRecord(Record{Lost: true}, true)
		c.out.addEvent(Outdated{Header: h})
	case c.inquiry.doubt == Trusted && c.unsafe == nil:
		c.unsafe = fmt.Errorf("%w: header %s of round %d was not made here; the newest own one is of round %d. "+
			"Stop the other process that uses these keys before this one is started again", ErrTwin, h.Digest(), h.Round, c.own.round)
	}
	if c.inquiry.doubt == Lost {
		c.floor = max(c.floor, h.Round)
	}
}
