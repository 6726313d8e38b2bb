// Package trust checks what others signed against a committee: headers, certificates of the DAG, shares and certificates of
// blocks. The node, the auditor, the light client and the simulator ask the same questions here.
//
// New parses a committee's keys. The Check methods return nil where a quorum, or the author, signed; certificates are checked
// many at a time, in one equation. Aggregate makes the signature of a certificate. Behind both is a Scheme, which
// simulations replace.
package trust

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
)

// ErrSignature says that a signature does not hold.
var ErrSignature = errors.New("signature does not verify")

// ErrMismatch says that a certificate is for another block.
var ErrMismatch = errors.New("certificate is for another block")

// Committee is a committee that can check what its members signed. It is safe for use by several goroutines.
type Committee struct {
	*remora.Committee
	scheme   Scheme
	verified *verifiedSet
}

// New parses the keys of a committee, whose possession the caller has checked.
func New(c *remora.Committee) (*Committee, error) {
	scheme, err := newPairings(c)
	if err != nil {
		return nil, err
	}
	return NewWith(c, scheme), nil
}

// NewWith returns a committee whose signatures are of another scheme.
func NewWith(c *remora.Committee, s Scheme) *Committee {
	return &Committee{Committee: c, scheme: s, verified: newVerifiedSet()}
}

// CheckHeader checks structure and author's signature of a sealed header, and the signatures of the authors of the batches
// that it adopts.
func (c *Committee) CheckHeader(h *remora.Header) error {
	if err := h.Check(c.Committee); err != nil {
		return err
	}
	if err := c.checkAuthor(h); err != nil {
		return err
	}
	for ref, proof := range h.Adopted() {
		if err := c.CheckBatch(ref, proof); err != nil {
			return fmt.Errorf("header of round %d by authority %d: %w", h.Round, h.Author, err)
		}
	}
	return nil
}

// CheckBatch checks the signature of a batch's author over its reference.
func (c *Committee) CheckBatch(ref *remora.BatchRef, proof remora.Signature) error {
	if !c.Has(ref.Author) || !c.scheme.VerifyDigest(ref.Author, remora.BatchMessage(c.Domain, c.Term, ref), proof) {
		return fmt.Errorf("batch %s by authority %d: %w", ref.Digest, ref.Author, ErrSignature)
	}
	return nil
}

func (c *Committee) checkAuthor(h *remora.Header) error {
	if !c.scheme.VerifyDigest(h.Author, h.Digest(), h.Signature) {
		return fmt.Errorf("header of round %d by authority %d: %w", h.Round, h.Author, ErrSignature)
	}
	return nil
}

// CheckCertificates checks structure and aggregates of sealed certificates, the aggregates in one batch. The result has one
// entry per certificate, nil where it holds.
func (c *Committee) CheckCertificates(certificates []*remora.Certificate) []error {
	errs := make([]error, len(certificates))
	var items []Aggregate
	var places []int
	for i, cert := range certificates {
		// Votes do not cover the author's signature: a peer that relays a certificate could change it.
		var proven bool
		if proven, errs[i] = c.CheckUnproven(cert); proven || errs[i] != nil {
			continue
		}
		items = append(items, c.aggregateOf(cert))
		places = append(places, i)
	}
	for i, err := range c.scheme.VerifyAggregates(items) {
		cert := certificates[places[i]]
		if err == nil {
			c.verified.addCertificate(cert)
			continue
		}
		errs[places[i]] = fmt.Errorf("certificate of round %d by authority %d: %w: %w", cert.Round(), cert.Author(), ErrSignature, err)
	}
	return errs
}

// CheckUnproven checks structure and author's signature of a sealed certificate, and reports whether its aggregate was found
// valid before. If it was not, ProveTogether has to follow.
func (c *Committee) CheckUnproven(cert *remora.Certificate) (proven bool, err error) {
	if err := cert.Check(c.Committee); err != nil {
		return false, err
	}
	if c.verified.hasCertificate(cert) {
		return true, nil
	}
	return false, c.checkAuthor(&cert.Header)
}

// ProveTogether checks the aggregates of certificates in one equation and reports whether all of them hold. CheckUnproven
// has passed each of them.
func (c *Committee) ProveTogether(certificates []*remora.Certificate) bool {
	items := make([]Aggregate, len(certificates))
	for i, cert := range certificates {
		items[i] = c.aggregateOf(cert)
	}
	if !c.scheme.HoldTogether(items) {
		return false
	}
	for _, cert := range certificates {
		c.verified.addCertificate(cert)
	}
	return true
}

func (c *Committee) aggregateOf(cert *remora.Certificate) Aggregate {
	return Aggregate{Signers: cert.Signers, Message: remora.VoteMessage(c.Domain, &cert.Header), Signature: cert.Signature}
}

// Aggregate combines signatures of members over one message: as one aggregate, one by one when that fails. It returns
// the aggregate of the good ones, who they are, and who sent a bad one.
func (c *Committee) Aggregate(message remora.Hash, by []remora.Authority, sigs []remora.BLSSignature) (
	remora.BLSSignature, remora.Bitmap, []remora.Authority,
) {
	return c.scheme.Aggregate(message, by, sigs)
}

// CheckBlockCertificate checks that a quorum signed this block header.
func (c *Committee) CheckBlockCertificate(h *remora.BlockHeader, cert *remora.BlockCertificate) error {
	if hash := h.Hash(); h.Domain != c.Domain || cert.Height != h.Height || cert.Hash != hash {
		return fmt.Errorf("%w: block %d %s of domain %s, certificate for block %d %s of domain %s",
			ErrMismatch, h.Height, hash, h.Domain, cert.Height, cert.Hash, c.Domain)
	}
	return c.CheckBlockCertificates([]*remora.BlockCertificate{cert})[0]
}

// CheckBlockCertificates checks that a quorum signed what each certificate names, in one batch. The result has one entry per
// certificate, nil where it holds. Whether that is the block in question is for the caller to compare.
func (c *Committee) CheckBlockCertificates(certificates []*remora.BlockCertificate) []error {
	errs := make([]error, len(certificates))
	var items []Aggregate
	var places []int
	for i, cert := range certificates {
		if errs[i] = cert.Check(c.Committee); errs[i] != nil {
			continue
		}
		items = append(items, Aggregate{
			Signers: cert.Signers, Message: remora.BlockMessage(c.Domain, cert.Height, cert.Hash), Signature: cert.Signature,
		})
		places = append(places, i)
	}
	for i, err := range c.scheme.VerifyAggregates(items) {
		if err != nil {
			errs[places[i]] = fmt.Errorf("certificate of block %d: %w: %w", certificates[places[i]].Height, ErrSignature, err)
		}
	}
	return errs
}
