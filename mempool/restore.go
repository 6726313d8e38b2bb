package mempool

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/remora-network/remora"
)

// restoreSnapshot fills a new core from a snapshot.
func (c *Core) restoreSnapshot(s Snapshot) error {
	if err := c.restoreCertificates(s.Certificates); err != nil {
		return err
	}
	if err := c.restoreVotes(s.Votes); err != nil {
		return err
	}
	if err := c.restoreOwn(s.Proposed); err != nil {
		return err
	}
	for _, ref := range s.Payload {
		c.own.enqueueBatch(ref)
	}
	return nil
}

// restoreCertificates fills the DAG. All certificates up to the last leader count as ordered, because which of them are
// is not recorded; this affects the pace only.
func (c *Core) restoreCertificates(certificates []*remora.Certificate) error {
	sorted := slices.Clone(certificates)
	slices.SortStableFunc(sorted, func(a, b *remora.Certificate) int {
		return cmp.Or(cmp.Compare(a.Round(), b.Round()), cmp.Compare(a.Author(), b.Author()))
	})
	for _, cert := range sorted {
		if cert.Round() <= c.dag.gc || c.Holds(cert.Round(), cert.Header.ID()) {
			continue
		}
		if err := c.restoreCertificate(cert); err != nil {
			return fmt.Errorf("mempool: %w: certificate of author %d, round %d: %w", remora.ErrCorrupt, cert.Author(), cert.Round(), err)
		}
		if cert.Round() <= c.committed {
			c.dag.markOrdered(&cert.Header)
		}
	}
	c.own.parents = c.dag.quorum
	return nil
}

func (c *Core) restoreCertificate(cert *remora.Certificate) error {
	if err := cert.Check(c.config.Committee); err != nil {
		return err
	}
	if c.dag.findConflict(cert) != nil {
		return ErrSafety
	}
	absent, err := c.dag.absentParents(&cert.Header)
	if err != nil {
		return err
	}
	c.dag.insertVertex(cert, len(absent))
	c.noteTip(cert)
	c.wantParents(&cert.Header, absent)
	return nil
}

func (c *Core) restoreVotes(votes []remora.Vote) error {
	for _, v := range votes {
		if !c.config.Committee.Has(v.Author) || v.Voter != c.config.Self || v.Term != c.config.Committee.Term {
			return fmt.Errorf("mempool: %w: vote of voter %d for author %d in term %d", remora.ErrCorrupt, v.Voter, v.Author, v.Term)
		}
		if b := &c.peers.ballots[v.Author]; v.Round > b.vote.Round {
			b.vote = v
		}
	}
	return nil
}

// restoreOwn restores this authority's headers: those with a certificate and the newest one wait to be ordered.
func (c *Core) restoreOwn(proposed *remora.Header) error {
	for r := c.dag.gc + 1; r <= c.dag.seen; r++ {
		v := c.dag.vertexAt(r, c.config.Self)
		if v == nil || v.certificate == nil {
			continue
		}
		c.votes.certificate = v.certificate
		c.restoreHeader(&v.certificate.Header, !v.ordered)
	}
	if proposed != nil && (proposed.Author != c.config.Self || proposed.Digest().IsZero()) {
		return fmt.Errorf("mempool: %w: own header has author %d, this is %d", remora.ErrCorrupt, proposed.Author, c.config.Self)
	}
	if proposed != nil && proposed.Round > c.own.round {
		c.restoreHeader(proposed, proposed.Round > c.dag.gc)
	}
	return nil
}

// resendNewest repeats the last messages before the restart: the newest own certificate, and the newest own header if it
// has none.
func (c *Core) resendNewest() {
	if c.votes.certificate != nil {
		c.out.addMessage(Outgoing{Broadcast: true, Certificate: c.votes.certificate})
	}
	h := c.own.header
	if h == nil || h.Round <= max(c.dag.gc, c.floor) {
		return
	}
	if v := c.dag.vertexAt(h.Round, h.Author); v != nil && v.certificate != nil {
		return
	}
	c.out.addMessage(Outgoing{Broadcast: true, Header: h})
	c.collectVotes(h)
}

// restoreHeader makes h the newest own header and, if open, waits for it to be ordered.
func (c *Core) restoreHeader(h *remora.Header, open bool) {
	c.own.header, c.own.round = h, h.Round
	if !open {
		return
	}
	c.own.flight = append(c.own.flight, h)
	for _, ref := range h.Payload {
		c.own.known[ref] = true
	}
	c.foreign.listAdopted(h)
	for ref, proof := range h.Adopted() {
		c.own.proofs[*ref] = proof
	}
}
