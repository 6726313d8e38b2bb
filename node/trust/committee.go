// Package trust checks what others signed against a committee: headers, certificates of the DAG, shares and
// certificates of blocks. The node, the auditor and the light client ask the same questions here.
package trust

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
)

// ErrSignature says that a signature does not hold.
var ErrSignature = errors.New("signature does not verify")

// ErrMismatch says that a certificate is for another block.
var ErrMismatch = errors.New("certificate is for another block")

// Committee is a committee with its keys parsed and summed. It is safe for use by several goroutines.
type Committee struct {
	*remora.Committee
	ring     *bls.Keyring
	verified *verifiedSet
}

// New parses the keys of a committee. Whoever built it has checked possession of the keys.
func New(c *remora.Committee) (*Committee, error) {
	keys := make([]*bls.PublicKey, c.Size())
	for i, m := range c.Members {
		key, err := bls.ParsePublicKey(m.Consensus)
		if err != nil {
			return nil, fmt.Errorf("consensus key of %q: %w", m.Name, err)
		}
		keys[i] = key
	}
	return &Committee{Committee: c, ring: bls.NewKeyring(keys), verified: newVerifiedSet()}, nil
}

// Header checks structure and author's signature of a sealed header.
func (c *Committee) Header(h *remora.Header) error {
	if err := h.Check(c.Committee); err != nil {
		return err
	}
	return c.signed(h)
}

func (c *Committee) signed(h *remora.Header) error {
	digest := h.Digest()
	if !ed25519.Verify(c.Members[h.Author].Header, digest[:], h.Signature) {
		return fmt.Errorf("header of round %d by authority %d: %w", h.Round, h.Author, ErrSignature)
	}
	return nil
}

// Certificates checks structure and aggregates of sealed certificates, the aggregates in one batch. The result has one
// entry per certificate, nil where it holds.
func (c *Committee) Certificates(certificates []*remora.Certificate) []error {
	errs := make([]error, len(certificates))
	var items []bls.AggregateItem
	var places []int
	for i, cert := range certificates {
		if errs[i] = cert.Check(c.Committee); errs[i] != nil || c.verified.has(cert) {
			continue
		}
		// Votes do not cover the author's signature: whoever passes a certificate on could change it.
		if errs[i] = c.signed(&cert.Header); errs[i] != nil {
			continue
		}
		message := remora.VoteMessage(c.ChainID, &cert.Header)
		items = append(items, bls.AggregateItem{
			Ring: c.ring, Signers: signers(cert.Signers), Message: message[:], Signature: cert.Signature,
		})
		places = append(places, i)
	}
	for i, err := range bls.VerifyAggregates(items) {
		cert := certificates[places[i]]
		if err == nil {
			c.verified.add(cert)
			continue
		}
		errs[places[i]] = fmt.Errorf("certificate of round %d by authority %d: %w: %w", cert.Round(), cert.Author(), ErrSignature, err)
	}
	return errs
}

// Aggregate combines signatures of members over one message: as one aggregate, one by one when that fails. It returns
// the aggregate of the good ones, who they are, and who sent a bad one.
func (c *Committee) Aggregate(message remora.Hash, by []remora.Authority, sigs []remora.BLSSignature) (
	remora.BLSSignature, remora.Bitmap, []remora.Authority,
) {
	votes := make([]bls.Vote, len(by))
	for i := range by {
		votes[i] = bls.Vote{Signer: int(by[i]), Signature: sigs[i]}
	}
	sig, good, bad, err := bls.AggregateVerified(c.ring, votes, message[:])
	culprits := make([]remora.Authority, len(bad))
	for i, b := range bad {
		culprits[i] = remora.Authority(b)
	}
	members := remora.NewBitmap(c.Size())
	if err != nil {
		return remora.BLSSignature{}, members, culprits
	}
	for _, g := range good {
		members.Add(remora.Authority(g))
	}
	return sig, members, culprits
}

// BlockCertificate checks that a quorum signed this block header.
func (c *Committee) BlockCertificate(h *remora.BlockHeader, cert *remora.BlockCertificate) error {
	if hash := h.Hash(); h.ChainID != c.ChainID || cert.Height != h.Height || cert.Hash != hash {
		return fmt.Errorf("%w: block %d %s of chain %s, certificate for block %d %s of chain %s",
			ErrMismatch, h.Height, hash, h.ChainID, cert.Height, cert.Hash, c.ChainID)
	}
	return c.BlockCertificates([]*remora.BlockCertificate{cert})[0]
}

// BlockCertificates checks that a quorum signed what each certificate names, in one batch. The result has one entry per
// certificate, nil where it holds. Whether that is the block in question is for the caller to compare.
func (c *Committee) BlockCertificates(certificates []*remora.BlockCertificate) []error {
	errs := make([]error, len(certificates))
	var items []bls.AggregateItem
	var places []int
	for i, cert := range certificates {
		if errs[i] = cert.Check(c.Committee); errs[i] != nil {
			continue
		}
		message := remora.BlockMessage(c.ChainID, cert.Height, cert.Hash)
		items = append(items, bls.AggregateItem{
			Ring: c.ring, Signers: signers(cert.Signers), Message: message[:], Signature: cert.Signature,
		})
		places = append(places, i)
	}
	for i, err := range bls.VerifyAggregates(items) {
		if err != nil {
			errs[places[i]] = fmt.Errorf("certificate of block %d: %w: %w", certificates[places[i]].Height, ErrSignature, err)
		}
	}
	return errs
}

func signers(b remora.Bitmap) []int {
	var list []int
	for a := range b.Members() {
		list = append(list, int(a))
	}
	return list
}
