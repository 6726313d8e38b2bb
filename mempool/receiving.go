package mempool

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/remora-network/remora"
)

// receiveCertificate accepts a verified certificate, or suspends it until its parents are accepted. It ignores
// certificates that are held already.
func (c *Core) receiveCertificate(cert *remora.Certificate) error {
	if cert == nil || cert.Digest().IsZero() {
		return fmt.Errorf("mempool: %w: certificate without digest", remora.ErrInvalid)
	}
	if err := cert.Check(c.config.Committee); err != nil {
		return err
	}
	if cert.Author() == c.config.Self {
		c.judgeOwnHeader(&cert.Header)
	}
	c.noteProgress(cert)
	switch r := cert.Round(); {
	case c.Holds(r, cert.Header.ID()):
		return nil
	case r <= c.dag.gc:
		return fmt.Errorf("%w: certificate of round %d, rounds up to %d are forgotten", ErrTooOld, r, c.dag.gc)
	case r > c.highestKept():
		return fmt.Errorf("%w: certificate of round %d, at most %d is kept", ErrTooFarAhead, r, c.highestKept())
	}
	c.stopCollecting(cert)
	return c.insertCertificate(cert)
}

// insertCertificate puts a new certificate into the DAG and requests its absent parents.
func (c *Core) insertCertificate(cert *remora.Certificate) error {
	if other := c.dag.findConflict(cert); other != nil {
		c.out.addEvent(Equivocation{First: other, Second: &cert.Header, Certified: true})
		return fmt.Errorf("%w: %w: author %d, round %d, against author %d, round %d",
			ErrSafety, ErrEquivocation, cert.Author(), cert.Round(), other.Author, other.Round)
	}
	absent, err := c.dag.absentParents(&cert.Header)
	if err != nil {
		return err
	}
	delete(c.missing.wants, absence{cert.Round(), cert.Header.ID()})
	c.deliverAccepted(c.dag.insertVertex(cert, len(absent)))
	c.wantParents(&cert.Header, absent)
	return nil
}

// deliverAccepted records and delivers newly accepted certificates.
func (c *Core) deliverAccepted(accepted []*remora.Certificate) {
	for _, cert := range accepted {
		c.out.addRecord(Record{Certificate: cert}, cert.Author() == c.config.Self)
		c.out.Delivered = append(c.out.Delivered, cert)
		c.parentAccepted(cert)
	}
	c.noteQuorum()
}

// noteQuorum enters the round above a new highest quorum.
func (c *Core) noteQuorum() {
	if c.dag.quorum <= c.own.parents {
		return
	}
	c.own.lasted = c.clock - c.own.entered
	c.own.parents, c.own.entered, c.progress = c.dag.quorum, c.clock, c.clock
	c.out.addEvent(Advanced{Round: c.dag.quorum})
}

// noteProgress takes a verified certificate of any round as a sign of its author's progress, and emits Behind when the
// rest is far ahead. A validity stake decides, never one peer.
func (c *Core) noteProgress(cert *remora.Certificate) {
	if !c.noteTip(cert) {
		return
	}
	limit := c.localRound() + c.config.GCDepth
	if cert.Round() <= limit || c.clock < c.alarm {
		return
	}
	if reached := c.remoteRound(); reached > limit {
		c.alarm = c.clock + c.config.Pace.Resend
		c.out.addEvent(Behind{Round: reached})
	}
}

// noteTip updates the highest round of an author and reports whether the certificate raised it.
func (c *Core) noteTip(cert *remora.Certificate) bool {
	tip := &c.tips[cert.Author()]
	if cert.Round() <= *tip {
		return false
	}
	*tip = cert.Round()
	c.highestTip = max(c.highestTip, *tip)
	return true
}

// remoteRound returns the highest round that authors of a validity stake have reached by their certificates.
func (c *Core) remoteRound() remora.Round {
	authors := make([]remora.Authority, len(c.tips))
	for i := range authors {
		authors[i] = remora.Authority(i)
	}
	slices.SortStableFunc(authors, func(a, b remora.Authority) int {
		return cmp.Compare(c.tips[b], c.tips[a])
	})
	var stake remora.Amount
	for _, a := range authors {
		if stake += c.config.Committee.Stake(a); stake >= c.config.Committee.Validity() {
			return c.tips[a]
		}
	}
	return 0
}
