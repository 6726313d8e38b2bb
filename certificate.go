package remora

import "fmt"

// MaxCertificateBytes bounds an encoded certificate.
const MaxCertificateBytes = MaxHeaderBytes + 256

// Certificate is a header with a quorum's aggregate signature: a vertex of the DAG. It is named by the header's digest,
// so two certificates of a header by different quorums are the same vertex.
type Certificate struct {
	_         struct{} `cbor:",toarray"`
	Header    Header
	Signers   Bitmap
	Signature BLSSignature // aggregate over VoteMessage
}

// Digest names the vertex: the header's digest.
func (c *Certificate) Digest() Hash { return c.Header.digest }

// Round returns the header's round.
func (c *Certificate) Round() Round { return c.Header.Round }

// Author returns the header's author.
func (c *Certificate) Author() Authority { return c.Header.Author }

// Check refuses an invalid header, a bitmap that does not fit the committee, and signers with less stake than a quorum.
// The caller verifies the signature.
func (c *Certificate) Check(committee *Committee) error {
	if err := c.Header.Check(committee); err != nil {
		return err
	}
	return checkSigners(committee, c.Signers)
}

func checkSigners(committee *Committee, signers Bitmap) error {
	if err := signers.Check(committee.Size()); err != nil {
		return err
	}
	if stake := committee.StakeOf(signers); stake < committee.Quorum() {
		return fmt.Errorf("%w: signers hold stake %s, a quorum is %s", ErrInvalid, stake, committee.Quorum())
	}
	return nil
}

// DecodeCertificate decodes a certificate and seals its header. The caller calls Check and verifies the signature.
func DecodeCertificate(d Domain, b []byte) (*Certificate, error) {
	c := new(Certificate)
	if err := Decode(b, MaxCertificateBytes, c); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	c.Header.Seal(d)
	return c, nil
}
