package mempool

import (
	"fmt"

	"github.com/remora-network/remora"
)

// Doubt says whether a snapshot may lack something that the authority signed. While there is doubt, the core neither
// proposes nor votes: it follows the DAG and asks the others for their highest certificates.
type Doubt uint8

const (
	// Trusted means that the snapshot is complete.
	Trusted Doubt = iota
	// Listening means that the snapshot is complete unless the disk was restored from an older copy or another process
	// uses the same keys. The core waits up to Pace.Listen for own headers that it does not know.
	Listening
	// Lost means that the snapshot is incomplete. The core signs nothing until it knows a round above everything that it
	// may have signed.
	Lost
)

// rejoinMargin is the distance from the highest certificate that others hold to the round in which a rejoining authority
// begins. A header that it signed in round r named a quorum of parents in round r-1. Every quorum of the others shares a
// correct author with that quorum, so r is at most one above their answers. The second round is a margin.
const rejoinMargin = 2

// inquiry tracks the requests to all others for their highest certificates.
type inquiry struct {
	doubt    Doubt
	answered []bool // by authority
	due      int    // tick of the next requests
}

// Doubt returns the present doubt. A core that is later built from the same disk starts with it.
func (c *Core) Doubt() Doubt { return c.inquiry.doubt }

// askForTips repeats the request to those that have not answered until the doubt ends.
func (c *Core) askForTips() {
	q := &c.inquiry
	c.concludeInquiry()
	if q.doubt == Trusted || c.clock < q.due {
		return
	}
	q.due = c.clock + max(1, c.config.Pace.Resend/4) // soon, because a start waits for the answers
	for a, answered := range q.answered {
		if peer := remora.Authority(a); !answered && peer != c.config.Self {
			c.out.Want = append(c.out.Want, Want{From: peer, Tip: true})
		}
	}
}

// receiveTip takes a peer's answer. A certificate outside the window is refused but still raises the tip.
func (c *Core) receiveTip(m TipReceived) error {
	if !c.config.Committee.Has(m.From) || m.From == c.config.Self {
		return fmt.Errorf("%w: tip from authority %d", ErrVoter, m.From)
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

// concludeInquiry ends the doubt. Listening ends at Pace.Listen or with answers of a quorum, this authority included;
// Lost with answers of a quorum of the others, or of all.
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

// trustRecord ends the doubt: the core proposes and votes above the floor.
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

// judgeOwnHeader judges a header of this authority that a peer sent, alone or in a certificate. If this core did not make
// it, the disk has lost it or, once the record is trusted, a second process has the same keys. The loss is recorded,
// because a restart may find the header on disk and take the record for complete.
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
